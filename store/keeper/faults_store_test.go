package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// The faults of the protocol's table, F13 to F19: answers, the store, logout and clocks.

// A 200 without a refresh token, or with an empty one: the old one is kept, and its expiry.
func TestF13AnswerWithoutRefreshToken(t *testing.T) {
	faultTest(t, []kind{p0}, func(b *bench) {
		until := time.Now().Add(7 * 24 * time.Hour).UTC()
		rec := chaosRecord(b.login())
		rec.Token.RefreshExpiry = until
		k := b.process(nil)
		if _, err := k.Start(background, chaosKey, rec); err != nil {
			b.t.Fatal(err)
		}
		got := b.get(k).Token
		if got.RefreshToken != rec.Token.RefreshToken || !got.RefreshExpiry.Equal(until) {
			b.t.Errorf("kept %s until %v, want %s until %v", got.RefreshToken, got.RefreshExpiry, rec.Token.RefreshToken, until)
		}
	})
}

var errDown = errors.New("store: down")

// failing is a store of which one call fails: the nth, before or after its effect.
func failing(b *bench, n int, after bool) (*tamper, *int) {
	count := new(int)
	call := func(do func() (*store.Record, error)) (*store.Record, error) {
		*count++
		if *count != n {
			return do()
		}
		if after {
			do()
		}
		return nil, errDown
	}
	return &tamper{
		TokenStore: b.mem, get: call,
		put: func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) { return call(do) },
	}, count
}

// The store does not take the lease: the refresh token is not spent, a valid token is served, an expired one is a 503.
func TestF14StoreErrorOnLease(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		k := b.over(&tamper{TokenStore: b.mem, put: func(*store.Record, func() (*store.Record, error)) (*store.Record, error) {
			return nil, errDown
		}}, nil)
		if _, err := k.Get(background, chaosKey); !errors.Is(err, keeper.ErrUnavailable) {
			b.t.Errorf("expired: %v, want ErrUnavailable", err)
		}
		b.wantCalls(0)
		b.get(b.process(nil))
		time.Sleep(time.Hour - time.Minute)
		b.get(k) // an early refresh is due, and fails in the background
		time.Sleep(30 * time.Second)
		b.wantCalls(1)
	})
}

// Any one call to the store fails, before or after its effect: the caller may be told so, nothing is lost.
func TestF14StoreErrorOnEveryCall(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 4; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(n, after), func(t *testing.T) {
				faultTest(t, allKinds, func(b *bench) {
					tokens, count := failing(b, n, after)
					if _, err := b.over(tokens, nil).Get(background, chaosKey); err != nil && !errors.Is(err, keeper.ErrUnavailable) {
						b.t.Errorf("Get: %v", err)
					}
					synctest.Wait()
					if *count < min(n, 3) {
						b.t.Fatalf("%d calls to the store only", *count)
					}
					b.get(b.process(nil))
					b.wantCalls(1)
				})
			})
		}
	}
}

// Any one call to the store fails during a logout, before or after its effect: if End says that it is done, it is; if it
// says otherwise, the next End does it.
func TestEndWithAStoreErrorOnEveryCall(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 4; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(n, after), func(t *testing.T) {
				faultTest(t, allKinds, func(b *bench) {
					tokens, _ := failing(b, n, after)
					k := b.over(tokens, nil)
					if err := k.End(background, chaosKey); errors.Is(err, keeper.ErrUnavailable) {
						err = k.End(background, chaosKey)
						if err != nil {
							b.t.Errorf("End again: %v", err)
						}
					} else if err != nil {
						b.t.Errorf("End: %v", err)
					}
					if _, err := b.process(nil).Get(background, chaosKey); !errors.Is(err, store.ErrNotFound) {
						b.t.Errorf("after logout: %v", err)
					}
					time.Sleep(time.Minute)
					if _, err := b.process(nil).Sweep(background, 10); err != nil {
						b.t.Error(err)
					}
					if live := b.live(); len(live) > 0 {
						b.t.Errorf("alive after logout: %v", live)
					}
				})
			})
		}
	}
}

// The lease may have been written or not, and somebody else has it: nothing is sent beside the other.
func TestF14LeaseOfUnknownOutcome(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		var other sync.WaitGroup
		once := true
		k := b.over(&tamper{TokenStore: b.mem, put: func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			if !once {
				return do()
			}
			once = false
			other.Go(func() { b.get(b.process(nil)) })
			time.Sleep(10 * time.Millisecond)
			return nil, errDown
		}}, nil)
		b.get(k)
		other.Wait()
		b.wantCalls(1)
	})
}

// outage is a store that takes no answer while it is down.
func outage(b *bench, down *atomic.Bool) *tamper {
	return &tamper{TokenStore: b.mem, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
		if next.Generation > 0 && down.Load() {
			return nil, errDown
		}
		return do()
	}}
}

// The store goes down for half a minute between the lease and the commit: the token is served at once and saved later,
// and the operator hears of it.
func TestF15StoreErrorOnCommit(t *testing.T) {
	faultTest(t, twiceIsFine, func(b *bench) {
		var down atomic.Bool
		var unsaved atomic.Int64
		down.Store(true)
		k := b.over(outage(b, &down), &keeper.Options{OnUnsaved: func(*store.Record) { unsaved.Add(1) }})
		first := b.get(k)
		for range 30 {
			if rec := b.get(k); rec.Token.AccessToken != first.Token.AccessToken {
				b.t.Fatal("a local read does not see the token that is not saved yet")
			}
			time.Sleep(time.Second)
		}
		down.Store(false)
		time.Sleep(2 * time.Second)
		if rec := b.row(); rec.Token.AccessToken != first.Token.AccessToken {
			b.t.Error("the store is back, and the token is not saved")
		}
		b.wantCalls(1)
		if n := unsaved.Load(); n != 1 {
			b.t.Errorf("OnUnsaved was called %d times", n)
		}
	})
}

// The store goes down at the commit, and the process dies before it is back: as F5.
func TestF15StoreErrorOnCommitAndCrash(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		var down atomic.Bool
		down.Store(true)
		ctx, die := context.WithCancel(background)
		k := b.over(outage(b, &down), nil)
		b.get(k)
		die()
		k.Close(ctx)
		other := b.process(nil)
		rec, err := other.Get(background, chaosKey)
		if !b.kind.forgiving() {
			b.wantLost(other, err)
		} else if err != nil || !b.usable(rec.Token.RefreshToken) {
			b.t.Errorf("Get: %v, %v", rec, err)
		}
	})
}

// Logout while the refresh is at the provider: no later read finds the session, and what the refresh brings is revoked.
func TestF16LogoutRacesRefresh(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		k, other := b.process(nil), b.process(nil)
		b.next(func(ctx context.Context, serve func() (store.Token, error)) (store.Token, error) {
			tok, err := serve()
			wait(ctx, time.Second)
			return tok, err
		})
		var caller sync.WaitGroup
		caller.Go(func() {
			if _, err := k.Get(background, chaosKey); !errors.Is(err, store.ErrNotFound) {
				b.t.Errorf("the refreshing caller: %v, want ErrNotFound", err)
			}
		})
		synctest.Wait()
		if err := other.End(background, chaosKey); err != nil {
			b.t.Fatal(err)
		}
		for range 20 {
			for _, k := range []*keeper.Keeper{k, other} {
				if _, err := k.Get(background, chaosKey); !errors.Is(err, store.ErrNotFound) {
					b.t.Errorf("after logout: %v", err)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		caller.Wait()
		time.Sleep(time.Minute)
		if _, err := other.Sweep(background, 10); err != nil {
			b.t.Fatal(err)
		}
		if live := b.live(); len(live) > 0 {
			b.t.Errorf("alive after logout: %v", live)
		}
	})
}

// A new login under the same key while the old grant's refresh is at the provider: the new grant stays, what the old one
// brings is revoked, and its caller gets the new one.
func TestF17LoginRacesRefresh(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		k := b.process(nil)
		var caller sync.WaitGroup
		var served *store.Record
		caller.Go(func() { served, _ = k.Get(background, chaosKey) })
		synctest.Wait()
		rec := chaosRecord(b.login())
		rec.Token.Expiry = time.Now().Add(time.Hour)
		fresh, err := b.process(nil).Start(background, chaosKey, rec)
		if err != nil {
			b.t.Fatal(err)
		}
		caller.Wait()
		time.Sleep(time.Minute)
		if row := b.row(); row.ID != fresh.ID || row.Token.RefreshToken != rec.Token.RefreshToken || row.Generation != 0 {
			b.t.Errorf("the row holds %v, want %v untouched", row, fresh)
		}
		if served == nil || served.ID != fresh.ID {
			b.t.Errorf("the old grant's caller got %v", served)
		}
		if live := b.live(0); len(live) > 0 {
			b.t.Errorf("alive of the old grant: %v", live)
		}
		if live := b.live(1); len(live) != 1 {
			b.t.Errorf("alive of the new grant: %v", live)
		}
	})
}

// The store takes a login and says that it failed. Before the second try somebody signs in again under the key, or out:
// what they did stands, and the caller is told that nothing is certain.
func TestF17LoginOfUnknownOutcome(t *testing.T) {
	for name, meanwhile := range map[string]func(b *bench) error{
		"login": func(b *bench) error {
			_, err := b.process(nil).Start(background, chaosKey, chaosRecord(b.login()))
			return err
		},
		"logout": func(b *bench) error { return b.process(nil).End(background, chaosKey) },
	} {
		t.Run(name, func(t *testing.T) {
			faultTest(t, allKinds, func(b *bench) {
				once := true
				k := b.over(&tamper{TokenStore: b.mem, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
					rec, err := do()
					if !once {
						return rec, err
					}
					once = false
					if err := meanwhile(b); err != nil {
						b.t.Error(err)
					}
					time.Sleep(100 * time.Millisecond) // for the revocation
					return nil, errDown
				}}, nil)
				ours := b.login()
				if _, err := k.Start(background, chaosKey, chaosRecord(ours)); !errors.Is(err, keeper.ErrUnavailable) {
					b.t.Errorf("Start: %v, want ErrUnavailable", err)
				}
				if rec, _ := b.mem.Get(background, chaosKey); rec != nil && rec.Token.RefreshToken == ours {
					b.t.Errorf("the row holds the token that was revoked: %v", rec)
				}
			})
		})
	}
}

// Somebody replayed a stolen refresh token and the provider revoked the family: one attempt, one login, no storm.
func TestF18FamilyRevoked(t *testing.T) {
	faultTest(t, []kind{p3}, func(b *bench) {
		b.get(b.process(nil))
		b.use("attacker", b.rec.Token.RefreshToken)
		time.Sleep(2 * time.Hour)
		k := b.process(nil)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := k.Get(background, chaosKey); !errors.Is(err, keeper.ErrLoginRequired) {
					b.t.Errorf("Get: %v", err)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Hour)
		if _, err := b.process(nil).Get(background, chaosKey); !errors.Is(err, keeper.ErrLoginRequired) {
			b.t.Errorf("Get, later: %v", err)
		}
		b.wantCalls(3) // ours, the attacker's, and the one that was refused
	})
}

// Replicas whose clocks are an hour off: leases hold, one call; an expiry is wrong by the clock of who stored it, no more.
func TestF19Clocks(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		var all sync.WaitGroup
		for _, skew := range []time.Duration{-time.Hour, -time.Minute, 0, time.Minute, time.Hour} {
			k := b.process(&keeper.Options{Now: func() time.Time { return time.Now().Add(skew) }})
			all.Go(func() {
				// The slowest clock believes the first token valid; all others find it expired at the same time.
				if _, err := k.Get(background, chaosKey); err != nil {
					b.t.Errorf("skew %v: %v", skew, err)
				}
			})
		}
		all.Wait()
		b.wantCalls(1)
		if b.most > 1 {
			b.t.Errorf("%d requests at once", b.most)
		}
		off := time.Until(b.row().Token.Expiry) - time.Hour
		if off < -time.Hour-time.Minute || off > time.Hour+time.Minute {
			b.t.Errorf("the expiry is off by %v", off)
		}
	})
}

// The clocks of two replicas are an hour apart: a 401 still leads to a refresh, once, on each of them.
func TestF19RejectedTokenBesideAWrongClock(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rejecting := "access-"
				wire := &wire{answers: map[string]func(*http.Request) *http.Response{api: func(r *http.Request) *http.Response {
					return refuseToken(rejecting, 401, "Bearer")(r)
				}}}
				w := newWorld(t, &keeper.Options{Transport: wire})
				w.p.life = 24 * time.Hour
				other := w.newKeeper(w.tokens, &keeper.Options{Transport: wire, Now: func() time.Time { return time.Now().Add(skew) }})
				rec := w.start(24 * time.Hour)
				if _, err := w.keep.Refresh(t.Context(), rec.Handle); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				for range 5 {
					for _, k := range []*keeper.Keeper{other, w.keep} {
						if _, err := k.Client(rec.Handle, api).Get(api); err != nil {
							t.Fatal(err)
						}
					}
				}
				w.wantCalls(2)
			})
		})
	}
}
