package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// orphaned handles a new refresh token whose grant has ended meanwhile: logout raced the refresh and wins, and the
// token that nobody will use is revoked. If a record stands where the grant was (ended, or a newer grant), the token
// is noted there first, so that a crash loses nothing. It returns the error for callers.
func (c *commit) orphaned(ctx context.Context, cur *store.Record) error {
	gone := store.ErrNotFound
	if cur != nil && !cur.Ended.IsZero() {
		gone = store.ErrEnded
	}
	k, t := c.k, c.token.RefreshToken
	if k.revoker == nil || t == "" || t == c.parent.Token.RefreshToken {
		return gone
	}
	ctx = context.WithoutCancel(ctx)
	ctx, cancel := context.WithTimeout(ctx, k.o.CommitBudget)
	defer cancel()
	for pause := k.retryPause(); cur != nil; {
		if k.o.RevokeEndsGrant && cur.Ended.IsZero() {
			return gone // revoking would end the newer grant
		}
		if err := c.note(ctx, cur, t); err == nil {
			return gone
		}
		if !pause.wait(ctx) {
			break
		}
		if now, err := c.tokens.Get(ctx, c.h); now != nil || errors.Is(err, store.ErrNotFound) {
			cur = now
		}
	}
	c.revokeNow(ctx, t)
	return gone
}

// note adds t to what cur leaves to be revoked, and has it done.
func (c *commit) note(ctx context.Context, cur *store.Record, t string) error {
	if c.k.coord != nil {
		debt, err := c.k.owe(ctx, store.Token{RefreshToken: t}, c.parent)
		if err == nil {
			c.k.payLater(ctx, debt.Handle, debt)
		}
		return err
	}
	st, err := decodeState(cur)
	if err != nil {
		return err
	}
	if st.Owner == c.owner {
		st.Owner, st.LeaseUntil = "", time.Time{}
	}
	if !slices.Contains(st.Pending, t) { // an earlier try may have been stored
		st.Pending = append(st.Pending, t)
	}
	st.fit()
	next, err := st.with(cur)
	if err != nil {
		return err
	}
	noted, err := c.tokens.Put(ctx, c.h, next)
	if err == nil {
		c.k.payLater(ctx, c.h, noted)
	}
	return err
}

// revokeNow is for when no record is left to note it in: best effort, reported if it fails.
func (c *commit) revokeNow(ctx context.Context, t string) {
	k := c.k
	one := c.parent.Clone()
	one.Token = store.Token{RefreshToken: t}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.o.SendBudget)
	defer cancel()
	var err error
	for range 3 {
		var newer bool
		if newer, err = k.hasNewer(ctx, one); newer {
			return
		}
		if err == nil {
			err = guarded(func() error { return k.revoker.Revoke(ctx, one) })
		}
		if err == nil {
			k.observe(Revoked, c.parent)
			return
		}
		if !sleep(ctx, time.Duration((0.5+k.o.Jitter())*float64(k.o.SendBudget/8))) {
			break
		}
	}
	k.warn("a refresh token obtained after logout could not be revoked", c.parent, err)
}

func unsupported(reason string) error {
	return fmt.Errorf("keeper: %s: %w", reason, errors.ErrUnsupported)
}
