package keeper

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// A stateless store (an encrypted cookie) cannot compare-and-set, so its coordinator does: a record under
// Key("grant", Record.ID), which exists from the first refresh or logout on. Whatever is newer there is adopted: a
// stale cookie gets the newest token, and a copy of a cookie that was signed out finds a tombstone.

// graves is the coordinator's store with ended records kept as live ones that bear a mark: a create replaces an ended
// record, and a request that found none before a logout must not bring it back after.
type graves struct{ store.TokenStore }

const graveMark = 't'

// Get implements store.TokenStore.
func (g *graves) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	rec, err := g.TokenStore.Get(ctx, h)
	if err == nil && len(rec.Refresh) == 1 && rec.Refresh[0] == graveMark {
		rec.Ended, rec.Refresh = rec.Updated, nil
		return rec, store.ErrEnded
	}
	return rec, err
}

// bury puts the mark in the place of rec, until no copy of the cookie can come back.
func (g *graves) bury(ctx context.Context, rec *store.Record, now, until time.Time) (*store.Record, error) {
	next := rec.Clone()
	next.Token, next.Refresh, next.Updated = store.Token{}, []byte{graveMark}, now
	if until.After(next.Expires) {
		next.Expires = until
	}
	return g.TokenStore.Put(ctx, grantKey(rec), next)
}

func grantKey(rec *store.Record) store.Handle { return store.Key("grant", rec.ID) }

// coordLife is how long the coordinator remembers a session that never expires.
const coordLife = 400 * 24 * time.Hour // no browser keeps a cookie longer

func (k *Keeper) getStateless(ctx context.Context, h store.Handle, u urgency) (*store.Record, error) {
	rec, err := k.tokens.Get(ctx, h)
	if err != nil {
		return nil, storeError("opening the record", err)
	}
	if !rec.Grant.IsZero() {
		return nil, unsupported("a stateless store cannot share grants")
	}
	began := time.Now()
	shared, err := k.agreed(ctx, rec)
	if err != nil {
		return nil, err
	}
	if shared == nil || shared.Generation < rec.Generation {
		if u == whenDue && k.stageOf(rec, k.o.Now()) == valid {
			k.observe(Used, rec)
			return rec, nil
		}
		began = time.Now()
		if shared, err = k.share(ctx, rec, shared); err != nil {
			return nil, err
		}
	}
	if rec.Expires.After(shared.Expires) {
		shared.Expires = rec.Expires // prolonged since: the next lease writes it down
	}
	got, err := k.fresh(ctx, k.coord, grantKey(rec), shared, began, u)
	if err != nil {
		var updated *UpdatedError
		if !errors.As(err, &updated) {
			return nil, err
		}
		got = updated.Record
	}
	if got.Generation > rec.Generation {
		if rec, err = k.reseal(ctx, h, rec, got); err != nil {
			return nil, err
		}
	}
	if k.o.Mode == Signal && u == whenDue && got.Generation > shared.Generation {
		return nil, &UpdatedError{Record: rec}
	}
	return rec, nil
}

// agreed returns the coordinator's record, nil if there is none.
func (k *Keeper) agreed(ctx context.Context, rec *store.Record) (*store.Record, error) {
	shared, err := k.read(ctx, k.coord, grantKey(rec))
	if errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrEnded) {
		return nil, nil
	}
	return shared, err
}

// share creates the coordinator's record at the cookie's generation, or replaces one that is older: a cookie is sealed
// only from what was committed.
func (k *Keeper) share(ctx context.Context, rec, old *store.Record) (*store.Record, error) {
	next := rec.Clone()
	next.Version, next.Expires = "", k.copiesUntil(rec)
	if old != nil {
		if _, err := decodeState(old); err != nil {
			return nil, unavailable("coordinating", err)
		}
		next.Version = old.Version
	}
	out, err := k.coord.Put(ctx, grantKey(rec), next)
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		return k.read(ctx, k.coord, grantKey(rec))
	}
	return out, storeError("coordinating", err)
}

// reseal returns rec under its new handle, with the token that was agreed on.
func (k *Keeper) reseal(ctx context.Context, h store.Handle, rec, got *store.Record) (*store.Record, error) {
	next := rec.Clone()
	next.Token, next.Generation, next.Updated = got.Token, got.Generation, got.Updated
	st := state{}
	if gst, err := decodeState(got); err == nil {
		st.early = gst.early
	}
	next, err := st.with(next)
	if err != nil {
		return nil, unavailable("sealing the record", err)
	}
	out, err := k.tokens.Put(ctx, h, next)
	return out, storeError("sealing the record", err)
}

// copiesUntil is until when a copy of rec's cookie may come back.
func (k *Keeper) copiesUntil(rec *store.Record) time.Time {
	if rec.Expires.IsZero() {
		return k.o.Now().Add(coordLife)
	}
	return rec.Expires
}

// endStateless puts a tombstone in the coordinator's record, creating that first if there is none, which stands as long
// as a copy of the cookie may live. What is to be revoked is written down before.
func (k *Keeper) endStateless(ctx context.Context, h store.Handle) error {
	rec, err := k.tokens.Get(ctx, h)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return storeError("opening the record", err)
	}
	ctx, cancel := context.WithTimeout(ctx, k.o.CommitBudget)
	defer cancel()
	for pause := k.retryPause(); ; {
		err := k.bury(ctx, rec)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil
		case err == nil:
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

func (k *Keeper) bury(ctx context.Context, rec *store.Record) error {
	cur, err := k.agreed(ctx, rec)
	if err == nil && (cur == nil || cur.Generation < rec.Generation) {
		cur, err = k.share(ctx, rec, cur)
	}
	if err != nil {
		return err
	}
	var debt *store.Record
	if k.revoker != nil {
		if debt, err = k.owe(ctx, cur.Token, cur); err != nil {
			return err
		}
	}
	// Another copy may have been prolonged until now, by no more than a session may last.
	now := k.o.Now()
	if _, err := k.coord.bury(ctx, cur, now, now.Add(k.copiesUntil(rec).Sub(rec.Created))); err != nil {
		return err
	}
	k.observe(Ended, cur)
	if debt != nil {
		k.payLater(ctx, debt.Handle, debt)
	}
	return nil
}

// owe writes down, in the coordinator and where Sweep finds it, that tok is to be revoked.
func (k *Keeper) owe(ctx context.Context, tok store.Token, rec *store.Record) (*store.Record, error) {
	debt := rec.Clone()
	debt.ID, debt.Version, debt.Refresh, debt.Token = rand.Text(), "", nil, tok
	debt.Ended = k.o.Now()
	debt.Updated = debt.Ended
	return k.coord.TokenStore.Put(ctx, store.Key("revoke", debt.ID), debt)
}
