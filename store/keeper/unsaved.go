package keeper

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/tokenkeep/tokenkeep/store"
)

// maxUnsaved bounds the answers kept in memory while the store does not take them.
const maxUnsaved = 4096

// unsaved holds what was answered and not yet stored, so that this process's readers see it.
type unsaved struct {
	unsavedMu sync.Mutex
	pending   map[string]*store.Record // by Record.ID
	count     atomic.Int64             // lets readers pass without the lock
}

// keepUnsaved serves the answer although the store did not take it, and hands the commit to the background.
func (k *Keeper) keepUnsaved(ctx context.Context, c *commit, cause error) (*store.Record, error) {
	rec, err := c.apply(c.parent)
	if err != nil {
		return nil, unavailable("storing the token", errors.Join(cause, err))
	}
	e := event(Unsaved, rec)
	e.Err = cause
	k.observeEvent(e)
	k.warn("the store did not take a refreshed token; trying on", rec, cause)
	if k.hold(rec) {
		// A commit in hand is finished even while Close drains: the work began before it.
		k.work.Add(1)
		go func() {
			defer k.work.Done()
			k.saveLater(context.WithoutCancel(ctx), c, rec)
		}()
	}
	if k.o.OnUnsaved != nil {
		if err := guarded(func() error { k.o.OnUnsaved(rec.Clone()); return nil }); err != nil {
			k.hookFailed(rec, err)
		}
	}
	c.won = !c.partial
	return rec, nil
}

func (k *Keeper) hold(rec *store.Record) bool {
	k.unsavedMu.Lock()
	defer k.unsavedMu.Unlock()
	if len(k.pending) >= maxUnsaved {
		return false
	}
	if k.pending == nil {
		k.pending = map[string]*store.Record{}
	}
	k.pending[rec.ID] = rec
	k.count.Store(int64(len(k.pending)))
	return true
}

func (k *Keeper) drop(rec *store.Record) {
	k.unsavedMu.Lock()
	defer k.unsavedMu.Unlock()
	if k.pending[rec.ID] == rec {
		delete(k.pending, rec.ID)
		k.count.Store(int64(len(k.pending)))
	}
}

// saveLater retries the commit until it is answered or the keeper stops.
func (k *Keeper) saveLater(ctx context.Context, c *commit, rec *store.Record) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.base, cancel)()
	defer k.drop(rec)
	for pause := k.retryPause(); ; {
		_, err := c.try(ctx)
		if err == nil || errors.Is(err, store.ErrNotFound) {
			return
		}
		if !pause.wait(ctx) {
			k.warn("closed with a refreshed token that the store did not take", rec, err)
			return
		}
	}
}

// overlay returns rec, or what this process knows to be newer.
func (k *Keeper) overlay(rec *store.Record) *store.Record {
	if k.count.Load() == 0 {
		return rec
	}
	k.unsavedMu.Lock()
	defer k.unsavedMu.Unlock()
	newer := k.pending[rec.ID]
	if newer == nil || newer.Generation <= rec.Generation {
		return rec
	}
	rec = rec.Clone()
	rec.Token, rec.Generation, rec.Refresh = newer.Token.Clone(), newer.Generation, append([]byte(nil), newer.Refresh...)
	return rec
}
