package keeper_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// A Get of a valid token allocates what its store allocates, and nothing more.
func TestGetAllocatesNothingOfItsOwn(t *testing.T) {
	k, mem, rec := lively(t, keeper.RefreshFunc(rotate), nil)
	floor := testing.AllocsPerRun(500, func() { kept, _ = mem.Get(background, rec.Handle) })
	ours := testing.AllocsPerRun(500, func() { kept, _ = k.Get(background, rec.Handle) })
	if ours > floor {
		t.Errorf("%v allocations, the store alone %v", ours, floor)
	}
}

// A request with a valid token allocates the copy of the request and of its header map, and no record.
func TestClientAllocations(t *testing.T) {
	k, _, rec := lively(t, keeper.RefreshFunc(rotate), nil)
	req, err := http.NewRequestWithContext(background, "GET", api+"/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	client := k.Client(rec.Handle, api).Transport
	ours := testing.AllocsPerRun(500, func() {
		if _, err := client.RoundTrip(req); err != nil {
			t.Error(err)
		}
	})
	if ours > 3 {
		t.Errorf("%v allocations, want the request, the map and its group", ours)
	}
}

// A session that is good costs no copy of its record.
func TestVerifyAllocations(t *testing.T) {
	k := views(t, nil)
	rec := session(t, k, time.Hour)
	if n := testing.AllocsPerRun(500, func() { kept, _ = k.Verify(background, rec.Handle.Reveal()) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// The provider is down: a thousand callers, one request, all answered when it is; and until the hold-off ends, at once.
func TestProviderDownAnswersEverybodyAtOnce(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) {
		const trip = 200 * time.Millisecond
		var calls atomic.Int64
		b.always = func(ctx context.Context, _ func() (store.Token, error)) (store.Token, error) {
			calls.Add(1)
			wait(ctx, trip)
			return store.Token{}, &fault{"503", keeper.RetryLater}
		}
		k := b.process(nil)
		for round, most := range []time.Duration{trip, 0} {
			began := time.Now()
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() {
					if _, err := k.Get(background, chaosKey); !errors.Is(err, keeper.ErrUnavailable) {
						b.t.Errorf("Get: %v", err)
					}
				})
			}
			all.Wait()
			if d := time.Since(began); d != most {
				b.t.Errorf("round %d took %v, want %v", round, d, most)
			}
		}
		if n := calls.Load(); n != 1 {
			b.t.Errorf("%d requests", n)
		}
	})
}
