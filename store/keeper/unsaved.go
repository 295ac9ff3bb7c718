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
	pending   map[string]*commit // by Record.ID
	count     atomic.Int64       // lets readers pass without the lock
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
	if k.hold(c) {
		// A commit in hand is finished even while Close drains: the work began before it.
		k.work.Go(func() { k.saveLater(context.WithoutCancel(ctx), c) })
	}
	if k.o.OnUnsaved != nil {
		k.callHook("OnUnsaved", rec, func(context.Context) error { k.o.OnUnsaved(rec.Clone()); return nil })
	}
	c.won = !c.partial
	return rec, nil
}

func (k *Keeper) hold(c *commit) bool {
	k.unsavedMu.Lock()
	defer k.unsavedMu.Unlock()
	if len(k.pending) >= maxUnsaved {
		return false
	}
	if k.pending == nil {
		k.pending = map[string]*commit{}
	}
	k.pending[c.parent.ID] = c
	k.count.Store(int64(len(k.pending)))
	return true
}

func (k *Keeper) drop(c *commit) {
	k.unsavedMu.Lock()
	defer k.unsavedMu.Unlock()
	if k.pending[c.parent.ID] == c {
		delete(k.pending, c.parent.ID)
		k.count.Store(int64(len(k.pending)))
	}
}

// saveLater retries the commit until it is answered or the keeper stops.
func (k *Keeper) saveLater(ctx context.Context, c *commit) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.base, cancel)()
	defer k.drop(c)
	for pause := k.retryPause(); ; {
		_, err := c.try(ctx)
		if err == nil || errors.Is(err, store.ErrNotFound) {
			return
		}
		if !pause.wait(ctx) {
			k.warn("closed with a refreshed token that the store did not take", c.parent, err)
			return
		}
	}
}

// overlay returns rec, or what the commit in hand will make of it.
func (k *Keeper) overlay(rec *store.Record) *store.Record {
	if k.count.Load() == 0 {
		return rec
	}
	k.unsavedMu.Lock()
	c := k.pending[rec.ID]
	k.unsavedMu.Unlock()
	if c == nil {
		return rec
	}
	st, err := decodeState(rec)
	if err != nil || !c.beats(rec, st) {
		return rec
	}
	newer, err := c.apply(rec)
	if err != nil {
		return rec
	}
	return newer
}
