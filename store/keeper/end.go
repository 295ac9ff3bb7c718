package keeper

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// End is logout. Of a session it ends that session and leaves a grant it shares; of a Key it ends the grant and with
// it every session that shares it. When it returns nil no later read by any process finds the record; revocation at
// the provider follows in the background, and what this process does not finish, Sweep does. Ending what is absent or
// has ended is not an error. A store that does not answer within CommitBudget is ErrUnavailable: whether the record has
// ended is then unknown, and End is to be called again.
func (k *Keeper) End(ctx context.Context, h store.Handle) error {
	if k.coord != nil {
		return k.endStateless(ctx, h)
	}
	return k.end(ctx, k.tokens, h, "")
}

// end puts the ended record, then lets the rest follow. A non-empty id ends only that record.
func (k *Keeper) end(ctx context.Context, tokens store.TokenStore, h store.Handle, id string) error {
	ctx, cancel := context.WithTimeout(ctx, k.o.CommitBudget)
	defer cancel()
	for pause := k.retryPause(); ; {
		rec, err := tokens.Get(ctx, h)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return storeError("ending the record", err)
		}
		if id != "" && rec.ID != id {
			return nil
		}
		next := k.overlay(rec).Clone()
		next.Version = rec.Version
		next.Ended = k.o.Now()
		next.Updated = next.Ended
		if k.revoker == nil {
			next.Token = store.Token{}
		}
		out, err := tokens.Put(ctx, h, next)
		if err == nil {
			k.observe(Ended, out)
			k.payLater(ctx, h, out)
			return nil
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if !pause.wait(ctx) {
			if errors.Is(err, store.ErrConflict) {
				err = context.Cause(ctx)
			}
			return storeError("ending the record", err)
		}
	}
}

// EndSessions signs subject out everywhere: it ends every session of this subject except those given. Grants under a
// Key survive. errors.ErrUnsupported if the store cannot list.
func (k *Keeper) EndSessions(ctx context.Context, subject string, except ...store.Handle) error {
	keep := make(map[[32]byte]bool, len(except))
	for _, h := range except {
		keep[h.Sum()] = true
	}
	return k.endListed(ctx, subject, func(rec *store.Record) (bool, error) {
		if keep[rec.Handle.Sum()] {
			return true, nil
		}
		st, err := decodeState(rec)
		return st.Keyed, err
	})
}

// EndSubject ends everything of this subject, grants under a Key included: account deletion. errors.ErrUnsupported if
// the store cannot list.
func (k *Keeper) EndSubject(ctx context.Context, subject string) error {
	return k.endListed(ctx, subject, func(*store.Record) (bool, error) { return false, nil })
}

func (k *Keeper) endListed(ctx context.Context, subject string, keep func(*store.Record) (bool, error)) error {
	lister, ok := k.tokens.(store.Lister)
	if !ok {
		return unsupported("the store cannot list by subject")
	}
	var errs []error
	for cursor := ""; ; {
		recs, next, err := lister.List(ctx, subject, cursor, 100)
		if err != nil {
			return errors.Join(append(errs, storeError("listing the subject's records", err))...)
		}
		for _, rec := range recs {
			switch spared, err := keep(rec); {
			case err != nil: // a session or a grant under a Key: who knows
				errs = append(errs, unavailable("ending the subject's sessions", err))
			case !spared:
				errs = append(errs, k.end(ctx, k.tokens, rec.Handle, rec.ID))
			}
		}
		if next == "" {
			return errors.Join(errs...)
		}
		cursor = next
	}
}

// Sweep pays revocations that are still pending and drops ended and expired records, visiting at most n; it returns
// how many it dropped. Call it from a ticker, on as many replicas as you like. errors.ErrUnsupported if the store
// cannot sweep; a stateless store's coordinator is swept.
func (k *Keeper) Sweep(ctx context.Context, n int) (int, error) {
	tokens := k.tokens
	if k.coord != nil {
		tokens = k.coord.TokenStore
	}
	sweeper, ok := tokens.(store.Sweeper)
	if !ok {
		return 0, unsupported("the store cannot sweep")
	}
	dropped, err := sweeper.Sweep(ctx, n, func(ctx context.Context, rec *store.Record) error {
		return k.visit(ctx, tokens, rec)
	})
	return dropped, storeError("sweeping", err)
}

// maxHold is how long an ended record waits for its revocation.
const maxHold = 30 * 24 * time.Hour

func (k *Keeper) visit(ctx context.Context, tokens store.TokenStore, rec *store.Record) error {
	expired := rec.Ended.IsZero()
	if expired {
		if st, _ := decodeState(rec); len(st.Pending) == 0 { // or what nobody here can read
			return nil
		}
	}
	err := k.revoke(ctx, rec)
	if err == nil && leased(rec) {
		return errHeld
	}
	if err != nil && !expired && k.o.Now().Sub(rec.Ended) > maxHold {
		k.warn("a revocation was given up after 30 days", rec, err)
		err = nil
	}
	if err != nil {
		// To the end of the queue, so that a provider that is down does not hold up the others.
		next := rec.Clone()
		next.Updated = k.o.Now()
		if expired {
			next.Ended = next.Updated
		}
		if _, perr := tokens.Put(ctx, rec.Handle, next); perr != nil {
			err = errors.Join(err, perr)
		}
	}
	return err
}

// errHeld: a refresh may still bring a token that is to be revoked.
var errHeld = errors.New("keeper: the ended record is still needed")

// payLater settles what rec, as just stored behind h, leaves to be revoked, without keeping the caller.
func (k *Keeper) payLater(ctx context.Context, h store.Handle, rec *store.Record) {
	if rec.Ended.IsZero() {
		if st, err := decodeState(rec); err != nil || len(st.Pending) == 0 {
			return
		}
	}
	tokens := k.tokens
	if k.coord != nil {
		tokens = k.coord.TokenStore
	}
	rec = rec.Clone() // the caller may get this one, and change it
	k.spawn(ctx, k.o.SendBudget+k.o.CommitBudget, func(ctx context.Context) { k.pay(ctx, tokens, h, rec) })
}

// leased reports whether a refresh is under way: what it brings is noted in the ended record, to be revoked.
func leased(rec *store.Record) bool {
	st, err := decodeState(rec)
	return err == nil && !rec.ReadAt.IsZero() && st.leased(rec.ReadAt)
}

// pay revokes, then drops the ended record or strikes the list of a live one. What fails is left for Sweep, or for a live
// grant's next refresh, and so is a record whose lease still runs.
func (k *Keeper) pay(ctx context.Context, tokens store.TokenStore, h store.Handle, rec *store.Record) {
	k.o.at(ctx, "before-revoke", rec.ID)
	if err := k.revoke(ctx, rec); err != nil {
		k.warn("a revocation is pending", rec, err)
		return
	}
	if !rec.Ended.IsZero() && !leased(rec) {
		if err := tokens.Delete(ctx, h, rec.Version); err != nil {
			k.warn("an ended record is left for Sweep", rec, err)
		}
		return
	}
	st, _ := decodeState(rec)
	paid := st.Pending
	for pause := k.retryPause(); ; {
		cur, err := tokens.Get(ctx, h)
		if cur == nil && errors.Is(err, store.ErrNotFound) || cur != nil && cur.ID != rec.ID {
			return
		}
		if cur != nil {
			if err = k.strike(ctx, tokens, h, cur, paid, !rec.Ended.IsZero()); err == nil {
				return
			}
		}
		if !pause.wait(ctx) {
			return
		}
	}
}

// strike takes what was paid off cur's list and, if own, the ended record's own token.
func (k *Keeper) strike(ctx context.Context, tokens store.TokenStore, h store.Handle, cur *store.Record, paid []string, own bool) error {
	st, err := decodeState(cur)
	if err != nil {
		return err
	}
	var left []string
	for i, t := range st.Pending {
		if i >= len(paid) || t != paid[i] {
			left = append(left, t)
		}
	}
	st.Pending = left
	next, err := st.with(cur)
	if err != nil {
		return err
	}
	if own {
		next.Token = store.Token{}
	}
	_, err = tokens.Put(ctx, h, next)
	return err
}

// revoke asks the provider to revoke an ended record's own tokens, and what any record carries for others. Nil:
// nothing is left to be revoked.
func (k *Keeper) revoke(ctx context.Context, rec *store.Record) error {
	if k.revoker == nil {
		return nil
	}
	var due []store.Token
	if !rec.Ended.IsZero() && (rec.Token.RefreshToken != "" || rec.Token.AccessToken != "") {
		due = append(due, rec.Token)
	}
	st, err := decodeState(rec)
	if err != nil {
		return err
	}
	for _, t := range st.Pending {
		due = append(due, owed(t))
	}
	if len(due) == 0 {
		return nil
	}
	if k.o.RevokeEndsGrant {
		if rec.Ended.IsZero() {
			return nil // it is itself newer than what it carries for others
		}
		if newer, err := k.hasNewer(ctx, rec); err != nil || newer {
			return err
		}
	}
	var errs []error
	for _, t := range due {
		one := rec.Clone()
		one.Token = t
		errs = append(errs, guarded(func() error { return k.revoker.Revoke(ctx, one) }))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	k.observe(Revoked, rec)
	return nil
}

// owed returns the token that an entry of state.Pending stands for.
func owed(entry string) store.Token {
	if t, ok := strings.CutPrefix(entry, accessMark); ok {
		return store.Token{AccessToken: t}
	}
	return store.Token{RefreshToken: entry}
}

// hasNewer reports whether the subject has signed in again at this provider since rec ended: with RevokeEndsGrant,
// revoking now would end that grant too.
func (k *Keeper) hasNewer(ctx context.Context, rec *store.Record) (bool, error) {
	lister, ok := k.tokens.(store.Lister)
	if !ok || rec.Subject == "" || !k.o.RevokeEndsGrant {
		return false, nil
	}
	for cursor := ""; ; {
		recs, next, err := lister.List(ctx, rec.Subject, cursor, 100)
		if err != nil {
			return false, storeError("listing the subject's records", err)
		}
		for _, r := range recs {
			if r.Provider == rec.Provider && r.Grant.IsZero() && r.Created.After(rec.Created) {
				return true, nil
			}
		}
		if next == "" {
			return false, nil
		}
		cursor = next
	}
}
