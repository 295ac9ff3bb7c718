package keeper

import (
	"context"
	"errors"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// A stateless store (an encrypted cookie) cannot compare-and-set, so its coordinator does: a record under
// Key("grant", Record.ID), which exists from the first refresh or logout on. Whatever is newer there is adopted: a
// stale cookie gets the newest token, and a copy of a cookie that was signed out finds an ended record.

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
	shared, err := k.read(ctx, k.coord, grantKey(rec))
	switch {
	case errors.Is(err, store.ErrEnded):
		return nil, err
	case errors.Is(err, store.ErrNotFound):
		shared = nil
	case err != nil:
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

// share creates the coordinator's record at the cookie's generation, or replaces one that is older: a cookie is sealed
// only from what was committed.
func (k *Keeper) share(ctx context.Context, rec, old *store.Record) (*store.Record, error) {
	next := rec.Clone()
	next.Version = ""
	if next.Expires.IsZero() {
		next.Expires = k.o.Now().Add(coordLife)
	}
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

// endStateless ends the coordinator's record, creating it ended if there is none, and keeps it as long as a copy of
// the cookie may live.
func (k *Keeper) endStateless(ctx context.Context, h store.Handle) error {
	rec, err := k.tokens.Get(ctx, h)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return storeError("opening the record", err)
	}
	if _, err := k.share(ctx, rec, nil); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}
	return k.end(ctx, k.coord, grantKey(rec), rec.ID)
}
