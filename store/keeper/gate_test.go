package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// many starts n expired grants.
func (b *bench) many(k *keeper.Keeper, n int) (keys []store.Handle) {
	b.t.Helper()
	for i := range n {
		h := store.Key("user", fmt.Sprint(i))
		if _, err := k.Start(background, h, chaosRecord(b.login())); err != nil {
			b.t.Fatal(err)
		}
		keys = append(keys, h)
	}
	return keys
}

// A provider that is down for everybody sees eight failures in a row, then one request at a time to find out whether it
// is back; and when it is, all goes on.
func TestBreaker(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) {
		var calls atomic.Int64
		b.always = func(ctx context.Context, _ func() (store.Token, error)) (store.Token, error) {
			calls.Add(1)
			wait(ctx, 100*time.Millisecond)
			return store.Token{}, &fault{"503", keeper.RetryLater}
		}
		k := b.process(nil)
		keys := b.many(k, 50)
		silent := 0
		for _, h := range keys {
			_, err := k.Get(background, h)
			if !errors.Is(err, keeper.ErrUnavailable) {
				b.t.Fatalf("Get: %v", err)
			}
			if strings.Contains(err.Error(), "keeps failing") {
				silent++
			}
		}
		if n := calls.Load(); n != 8 || silent != 42 {
			b.t.Errorf("%d calls, %d answered without one", n, silent)
		}
		time.Sleep(time.Second)
		var all sync.WaitGroup
		for _, h := range keys {
			all.Go(func() { k.Get(background, h) })
		}
		all.Wait()
		if n := calls.Load(); n != 9 {
			b.t.Errorf("%d calls after the silence, want one more", n)
		}
		b.always = nil
		time.Sleep(2 * time.Second)
		for _, h := range keys {
			if _, err := k.Get(background, h); err != nil && !strings.Contains(err.Error(), "backing off") {
				b.t.Errorf("Get: %v", err)
			}
		}
	})
}

// More grants than places: those that wait too long are told so, and nobody waits for ever.
func TestTooManyRefreshes(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) {
		b.always = hang
		k := b.process(&keeper.Options{MaxConcurrent: 1})
		var all sync.WaitGroup
		var crowded atomic.Int64
		began := time.Now()
		for _, h := range b.many(k, 10) {
			all.Go(func() {
				_, err := k.Get(background, h)
				if !errors.Is(err, keeper.ErrUnavailable) {
					b.t.Errorf("Get: %v", err)
				}
				if err != nil && strings.Contains(err.Error(), "too many") {
					crowded.Add(1)
				}
			})
		}
		all.Wait()
		if d := time.Since(began); d > 2*defaultLease+20*time.Second {
			b.t.Errorf("it took %v", d)
		}
		if crowded.Load() == 0 {
			b.t.Error("nobody was turned away: the test is blunt")
		}
	})
}

// While a grant waited for a place another process refreshed it: it is not refreshed again.
func TestRefreshedWhileWaitingForAPlace(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		b.next(func(ctx context.Context, serve func() (store.Token, error)) (store.Token, error) {
			wait(ctx, 3*time.Second)
			return serve()
		})
		k := b.process(&keeper.Options{MaxConcurrent: 1})
		keys := b.many(k, 2)
		go k.Get(background, keys[0])
		synctest.Wait()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if rec, err := k.Get(background, keys[1]); err != nil || rec.Generation != 1 {
				b.t.Errorf("Get: %v, %v", rec, err)
			}
		})
		synctest.Wait()
		if _, err := b.process(nil).Get(background, keys[1]); err != nil {
			b.t.Error(err)
		}
		waiting.Wait()
		b.wantCalls(2)
	})
}
