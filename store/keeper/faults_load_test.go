package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// The faults of the protocol's table, F22 to F24: load, and providers that go on failing.

// Ten thousand grants that expire together: the provider sees no more than the cap, spread by jitter; callers are served
// the valid token at once.
func TestF22ThunderingExpiry(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) {
		const grants = 10_000
		k := b.process(nil)
		for i := range grants {
			rec := chaosRecord(b.login())
			rec.Token.Expiry = time.Now().Add(10 * time.Minute)
			if _, err := k.Start(background, store.Key("user", fmt.Sprint(i)), rec); err != nil {
				b.t.Fatal(err)
			}
		}
		time.Sleep(8 * time.Minute)
		for range 13 { // a request for every grant each ten seconds, until just after the old expiry
			began := time.Now()
			for i := range grants {
				rec, err := k.Get(background, store.Key("user", fmt.Sprint(i)))
				if err != nil || !time.Now().Before(rec.Token.Expiry) {
					b.t.Fatalf("grant %d: %v, %v", i, rec, err)
				}
			}
			if d := time.Since(began); d > 0 {
				b.t.Fatalf("callers with a valid token waited for %v", d)
			}
			time.Sleep(10 * time.Second)
		}
		if most := b.crowd.Load(); most > 64 {
			b.t.Errorf("%d requests at the provider at once", most)
		}
		b.wantCalls(grants)
	})
}

// A wrong client secret is rolled out for five minutes: nobody is signed out, and all is well when it is fixed.
func TestF23WrongClientSecret(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		b.always = failWith(&fault{"invalid_client", keeper.ConfigError})
		k := b.process(nil)
		for range 300 {
			if _, err := k.Get(background, chaosKey); !errors.Is(err, keeper.ErrUnavailable) {
				b.t.Fatalf("Get: %v, want ErrUnavailable", err)
			}
			time.Sleep(time.Second)
		}
		b.always = nil
		time.Sleep(5 * time.Minute)
		b.get(k)
		b.wantCalls(1)
	})
}

// A grant that fails for ever: one call at the provider for each step of the back-off, however many ask.
func TestF24PermanentFailure(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) { b.failsForEver(b.mem) })
}

// The same over a store without a clock.
func TestF24PermanentFailureWithoutAStoreClock(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) { b.failsForEver(withoutClock(b.mem)) })
}

func withoutClock(tokens store.TokenStore) *tamper {
	unread := func(do func() (*store.Record, error)) (*store.Record, error) {
		rec, err := do()
		if rec != nil {
			rec.ReadAt = time.Time{}
		}
		return rec, err
	}
	return &tamper{TokenStore: tokens, get: unread, put: func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) { return unread(do) }}
}

func (b *bench) failsForEver(tokens store.TokenStore) {
	calls := 0
	b.always = func(context.Context, func() (store.Token, error)) (store.Token, error) {
		calls++
		return store.Token{}, &fault{"503", keeper.RetryLater}
	}
	replicas := []*keeper.Keeper{b.over(tokens, nil), b.over(tokens, nil), b.over(tokens, nil)}
	for range 3600 {
		for _, k := range replicas {
			if _, err := k.Get(background, chaosKey); !errors.Is(err, keeper.ErrUnavailable) {
				b.t.Fatalf("Get: %v, want ErrUnavailable", err)
			}
		}
		time.Sleep(time.Second)
	}
	// 1 s, 2 s, 4 s, … 256 s, then every 5 min, each ± 20 %: 9 steps in about 8.5 min, then 10.
	if calls < 15 || calls > 25 {
		b.t.Errorf("%d calls in an hour", calls)
	}
}
