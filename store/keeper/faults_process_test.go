package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// The faults of the protocol's table, F1 to F12 without F10: callers, processes and the provider.

var (
	allKinds    = []kind{p0, p1a, p1b, p1c, p1d, p2, p3}
	twiceIsFine = []kind{p0, p1a, p1b, p1c, p1d} // a lost answer can be had again
	onceOnly    = []kind{p2, p3}
)

const defaultLease = 15 * time.Second

// A thousand requests of one process: one call at the provider, two writes.
func TestF01RequestsOfOneProcess(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		var puts atomic.Int64
		k := b.over(&tamper{
			TokenStore: b.mem,
			get: func(do func() (*store.Record, error)) (*store.Record, error) {
				rec, err := do()
				time.Sleep(time.Millisecond) // so that all have read before anyone writes
				return rec, err
			},
			put: func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
				puts.Add(1)
				return do()
			},
		}, nil)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { b.get(k) })
		}
		all.Wait()
		b.wantCalls(1)
		if n := puts.Load(); n != 2 {
			b.t.Errorf("%d writes, want the lease and the commit", n)
		}
	})
}

// Eight replicas, twenty rounds: one call for each round.
func TestF02Replicas(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		var replicas []*keeper.Keeper
		for range 8 {
			replicas = append(replicas, b.process(nil))
		}
		for round := range 20 {
			var all sync.WaitGroup
			for i := range 80 {
				all.Go(func() { b.get(replicas[i%8]) })
			}
			all.Wait()
			b.wantCalls(round + 1)
			time.Sleep(2 * time.Hour)
		}
	})
}

// The process dies with the lease, before anything was sent: nothing is lost, the next one waits for the lease at most.
func TestF03CrashBeforeSend(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		b.next(die)
		b.abandon(b.process(nil))
		began := time.Now()
		b.get(b.process(nil))
		if d := time.Since(began); d > defaultLease+time.Second {
			b.t.Errorf("took over after %v", d)
		}
		b.wantCalls(1)
	})
}

// While the old token is valid nobody waits for that lease.
func TestF03CrashBeforeSendHiddenByEarlyRefresh(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		b.get(b.process(nil))
		time.Sleep(time.Hour - 2*time.Minute)
		b.next(die)
		b.abandon(b.process(nil))
		k, late := b.process(nil), time.Duration(0)
		for range 60 {
			began := time.Now()
			b.get(k)
			late = max(late, time.Since(began))
			time.Sleep(time.Second)
		}
		if late > 0 {
			b.t.Errorf("a caller with a valid token waited for %v", late)
		}
		b.wantCalls(2)
	})
}

// The process dies when the request is under way. If it never arrives nothing is lost; if it does, as F5.
func TestF04CrashAfterSend(t *testing.T) {
	faultTest(t, twiceIsFine, func(b *bench) {
		b.next(func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
			go func() { time.Sleep(time.Second); serve() }()
			return die(nil, nil)
		})
		b.abandon(b.process(nil))
		b.get(b.process(nil))
		b.wantCalls(2)
	})
}

// The process dies between the provider's commit and ours: nothing is lost where a token may be sent twice within the
// grace, and that grant only elsewhere: seen once, recorded, one login.
func TestF05CrashBeforeCommit(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		b.next(dieAfter)
		b.abandon(b.process(nil))
		k := b.process(nil)
		rec, err := k.Get(background, chaosKey)
		if b.kind.forgiving() {
			if err != nil || !b.usable(rec.Token.RefreshToken) {
				b.t.Errorf("Get: %v, %v", rec, err)
			}
			return
		}
		b.wantLost(k, err)
	})
}

// wantLost wants the loss to be told to everybody, with one call at the provider beside the lost one.
func (b *bench) wantLost(k *keeper.Keeper, err error) {
	b.t.Helper()
	if !errors.Is(err, keeper.ErrLoginRequired) || !strings.Contains(err.Error(), "lost_rotation") {
		b.t.Errorf("Get: %v, want a login required for lost_rotation", err)
	}
	calls := len(b.calls("refresh"))
	for range 10 {
		if _, err := k.Get(background, chaosKey); !errors.Is(err, keeper.ErrLoginRequired) {
			b.t.Errorf("Get again: %v", err)
		}
		time.Sleep(time.Minute)
	}
	b.wantCalls(calls)
	fresh, err := k.Start(background, chaosKey, chaosRecord(b.login()))
	if err != nil {
		b.t.Fatal(err)
	}
	if rec := b.get(k); rec.ID != fresh.ID {
		b.t.Error("the new login is not what is served")
	}
}

// The process dies after the commit, before anybody hears of it: the next request reads the token.
func TestF06CrashAfterCommit(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		deadly := &tamper{TokenStore: b.mem, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			rec, err := do()
			if next.Generation > 0 {
				return nil, dieIn()
			}
			return rec, err
		}}
		b.latency = 0
		b.abandon(b.over(deadly, nil))
		time.Sleep(time.Second)
		began := time.Now()
		b.get(b.process(nil))
		if d := time.Since(began); d > 0 {
			b.t.Errorf("the next request waited for %v", d)
		}
		b.wantCalls(1)
	})
}

func dieIn() error { _, err := die(nil, nil); return err }

// The client whose request began the refresh goes away, at each point: the refresh goes on, the others get its token.
func TestF07LeaderLeaves(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		k, other := b.process(nil), b.process(nil)
		for round, after := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond, 199 * time.Millisecond, 200 * time.Millisecond} {
			ctx, leave := context.WithTimeout(background, after)
			var all sync.WaitGroup
			all.Go(func() { k.Get(ctx, chaosKey) })
			synctest.Wait()
			all.Go(func() { b.get(k) })
			all.Go(func() { b.get(other) })
			all.Wait()
			leave()
			b.wantCalls(round + 1)
			time.Sleep(2 * time.Hour)
		}
	})
}

// Everybody goes away: the refresh is committed all the same.
func TestF08AllWaitersLeave(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		k := b.process(nil)
		ctx, leave := context.WithTimeout(background, 10*time.Millisecond)
		defer leave()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := k.Get(ctx, chaosKey); !errors.Is(err, context.DeadlineExceeded) {
					b.t.Errorf("Get: %v, want the caller's own error", err)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		if rec := b.row(); rec.Generation != 1 {
			b.t.Errorf("the row: %v", rec)
		}
		b.wantCalls(1)
	})
}

// The provider takes up to three leases: no two requests with one refresh token are ever under way at once, and an
// answer that arrives in time is used.
func TestF09ProviderSlowerThanTheLease(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		rng := rand.New(rand.NewPCG(9, uint64(b.kind)))
		var mu sync.Mutex
		b.always = func(ctx context.Context, serve func() (store.Token, error)) (store.Token, error) {
			mu.Lock()
			d := time.Duration(rng.Int64N(int64(3 * defaultLease)))
			mu.Unlock()
			if err := wait(ctx, d); err != nil {
				return store.Token{}, err // given up before the provider looked at it
			}
			return serve()
		}
		var replicas sync.WaitGroup
		for range 4 {
			k := b.process(nil)
			replicas.Go(func() {
				for range 200 {
					if _, err := k.Get(background, chaosKey); err == nil {
						return
					} else if !errors.Is(err, keeper.ErrUnavailable) {
						b.t.Errorf("Get: %v", err)
					}
					time.Sleep(10 * time.Second)
				}
				b.t.Error("no token in 200 tries")
			})
		}
		replicas.Wait()
		if b.most > 1 {
			b.t.Errorf("%d requests with one refresh token at once", b.most)
		}
		b.wantCalls(1)
	})
}

// The provider commits, and the answer is a 5xx, a reset, a timeout.
func TestF11AnswerLost(t *testing.T) {
	for name, m := range map[string]move{
		"500":     failAfter(&fault{"500", keeper.Unknown}),
		"reset":   failAfter(errLost),
		"timeout": hang,
	} {
		t.Run(name, func(t *testing.T) {
			faultTest(t, allKinds, func(b *bench) { b.loses(m) })
		})
	}
}

// A 200 that cannot be read is no better than none; so is any error that says nothing of itself.
func TestF12UnreadableAnswer(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) { b.loses(failAfter(fmt.Errorf("invalid character '<' looking for beginning of value"))) })
}

// loses wants that the answer lost by m is had again, or the loss is known for what it is.
func (b *bench) loses(m move) {
	b.t.Helper()
	b.next(m)
	k := b.process(nil)
	began := time.Now()
	_, err := k.Get(background, chaosKey)
	if !b.kind.forgiving() {
		b.wantLost(k, err)
		return
	}
	if err != nil {
		b.t.Errorf("Get: %v", err)
	}
	if d := time.Since(began); d > 8*time.Second {
		b.t.Errorf("healed after %v, outside the budget of the sends", d)
	}
	b.wantCalls(2)
}
