package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// flight is one refresh of one grant in this process; everybody who needs it waits for its end, each on a context of
// their own.
type flight struct {
	done chan struct{}
	rec  *store.Record // valid after done
	err  error
}

// join returns the grant's flight, starting one if there is none.
func (k *Keeper) join(ctx context.Context, tokens store.TokenStore, h store.Handle, rec *store.Record, began time.Time) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.flight[rec.ID]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	rec = rec.Clone() // the caller may get this one, and change it
	// Long enough to wait for another holder's lease, take it over, send and commit.
	ok := k.spawnLocked(ctx, 2*k.o.Lease+k.o.SendBudget+k.o.CommitBudget, func(ctx context.Context) {
		k.fly(ctx, f, tokens, h, rec, began)
	})
	if !ok {
		f.err = errClosed
		close(f.done)
		return f
	}
	k.flight[rec.ID] = f
	return f
}

// await returns what the grant's refresh comes to, or leaves when ctx ends; the refresh goes on.
func (k *Keeper) await(ctx context.Context, tokens store.TokenStore, h store.Handle, rec *store.Record, began time.Time) (*store.Record, error) {
	for range 2 { // the flight that was met may have begun, and ended, before rec was read
		f := k.join(ctx, tokens, h, rec, began)
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if f.err != nil {
			return nil, f.err
		}
		if f.rec.Generation > rec.Generation || f.rec.ID != rec.ID {
			got := f.rec.Clone()
			got.Handle = h // another caller's may have been of another form
			return got, nil
		}
	}
	return nil, unavailable("the record keeps changing", nil)
}

func (k *Keeper) fly(ctx context.Context, f *flight, tokens store.TokenStore, h store.Handle, rec *store.Record, began time.Time) {
	a := &attempt{k: k, tokens: tokens, h: h, seen: rec, began: began}
	f.err = errLeft
	defer func() { // also if the refresher ends the goroutine; the lease then runs out
		k.land(rec.ID, f)
		close(f.done)
	}()
	f.rec, f.err = a.run(ctx)
	if f.err == nil && a.committed && k.o.OnRefresh != nil {
		// The hook may call the keeper: the grant must have no flight any more, and readers see the new token.
		k.land(rec.ID, f)
		k.callHook("OnRefresh", f.rec, func(ctx context.Context) error {
			return k.o.OnRefresh(ctx, rec.Clone(), f.rec.Clone())
		})
	}
}

var errLeft = unavailable("the refresh ended without an answer", nil)

func (k *Keeper) land(id string, f *flight) {
	k.mu.Lock()
	if k.flight[id] == f { // or the next one's
		delete(k.flight, id)
	}
	k.mu.Unlock()
}

// callHook runs the application's hook on a context of its own and returns when it has, or after ClockMargin.
func (k *Keeper) callHook(name string, rec *store.Record, hook func(context.Context) error) {
	done := make(chan struct{})
	k.work.Go(func() { // by a goroutine that is itself counted, so Close cannot have drained
		defer close(done)
		ctx, cancel := context.WithTimeout(k.base, k.o.CommitBudget)
		defer cancel()
		if err := guarded(func() error { return hook(ctx) }); err != nil {
			k.hookFailed(name, rec, err)
		}
	})
	patience := time.NewTimer(k.o.ClockMargin)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		k.hookFailed(name, rec, errors.New("slower than ClockMargin"))
	}
}

func (k *Keeper) hookFailed(name string, rec *store.Record, err error) {
	e := event(HookError, rec)
	e.Err = err
	k.observeEvent(e)
	k.o.Logger.Warn("keeper: "+name+" failed", slog.String("record", rec.ID), slog.Any("error", err))
}

// guarded turns a panic of the application's code into an error that tells the value's type only: it may hold a secret.
func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %T", p)
		}
	}()
	return fn()
}
