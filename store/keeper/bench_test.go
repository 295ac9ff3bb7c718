package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// byTurns runs two ways of doing one thing in small batches, one after the other, and reports each one's median and
// their ratio: whatever else the machine does meets both.
func byTurns(b *testing.B, floor, ours func()) {
	b.Helper()
	const batch = 200
	var took [2][]float64
	for i := 0; b.Loop(); i++ {
		for j, fn := range []func(){floor, ours} {
			began := time.Now()
			for range batch {
				fn()
			}
			took[j] = append(took[j], float64(time.Since(began).Nanoseconds())/batch)
		}
	}
	f, o := median(took[0]), median(took[1])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(f, "ns/floor")
	b.ReportMetric(o, "ns/ours")
	b.ReportMetric(o/f, "ratio")
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// lively is a keeper over a memory store with one grant whose token lives for an hour.
func lively(tb testing.TB, r keeper.Refresher, o *keeper.Options) (*keeper.Keeper, *memstore.Store, *store.Record) {
	tb.Helper()
	mem, err := memstore.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	opts := keeper.Options{}
	if o != nil {
		opts = *o
	}
	opts.Logger = slog.New(slog.DiscardHandler)
	if opts.Transport == nil {
		opts.Transport = instant{}
	}
	k, err := keeper.New(mem, r, &opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { k.Close(background) })
	rec, err := k.Start(background, store.Handle{}, &store.Record{Subject: "alice", Provider: "p", Token: longLived()})
	if err != nil {
		tb.Fatal(err)
	}
	return k, mem, rec
}

func longLived() store.Token {
	return store.Token{
		AccessToken: "access-0123456789-0123456789-0123456789", RefreshToken: "refresh-0123456789-0123456789",
		TokenType: "Bearer", Scopes: []string{"openid", "profile"}, Expiry: time.Now().Add(time.Hour),
	}
}

// instant answers every request at once.
type instant struct{}

var okResponse = &http.Response{StatusCode: 200, Body: http.NoBody}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") == "" {
		return nil, errors.New("no token")
	}
	return okResponse, nil
}

func rotate(context.Context, *store.Record) (store.Token, error) { return longLived(), nil }

var kept *store.Record

// What a Get of a valid token adds to what its store costs.
func BenchmarkGetValid(b *testing.B) {
	k, mem, rec := lively(b, keeper.RefreshFunc(rotate), nil)
	byTurns(b, func() { kept, _ = mem.Get(b.Context(), rec.Handle) }, func() { kept, _ = k.Get(b.Context(), rec.Handle) })
}

// The floor of a transport with a valid token: one atomic load, a shallow copy of the request, its header map copied.
type shallow struct{ token atomic.Pointer[string] }

func (t *shallow) RoundTrip(req *http.Request) (*http.Response, error) {
	out := *req
	out.Header = maps.Clone(req.Header)
	out.Header["Authorization"] = []string{*t.token.Load()}
	return instant{}.RoundTrip(&out)
}

// The customary transport: a token behind a mutex with a look at the clock, and a deep copy of the request.
type customary struct {
	mu  sync.Mutex
	tok store.Token
}

func (t *customary) token() (store.Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tok.AccessToken != "" && t.tok.Expiry.Round(0).Add(-10*time.Second).After(time.Now()) {
		return t.tok, nil
	}
	return store.Token{}, errors.New("expired")
}

func (t *customary) RoundTrip(req *http.Request) (*http.Response, error) {
	tok, err := t.token()
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+tok.AccessToken)
	return instant{}.RoundTrip(out)
}

// One request with a valid token through the transport.
func BenchmarkClientValid(b *testing.B) {
	k, _, rec := lively(b, keeper.RefreshFunc(rotate), nil)
	line := "Bearer " + rec.Token.AccessToken
	floor := &shallow{}
	floor.token.Store(&line)
	ours := k.Client(rec.Handle, api).Transport
	req, err := http.NewRequestWithContext(b.Context(), "GET", api+"/v1/me", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "bench")
	trip := func(t http.RoundTripper) func() {
		client := &http.Client{Transport: t}
		return func() {
			if _, err := client.Do(req); err != nil {
				b.Error(err)
			}
		}
	}
	b.Run("against=shallow copy", func(b *testing.B) { byTurns(b, trip(floor), trip(ours)) })
	b.Run("against=customary", func(b *testing.B) { byTurns(b, trip(&customary{tok: rec.Token}), trip(ours)) })
}

// Gets of valid tokens, alone and while other grants, or their own within its early window, are being refreshed all the
// time: what the storm adds to the 99th percentile.
func BenchmarkGetUnderStorm(b *testing.B) {
	const grants = 64
	slow := keeper.RefreshFunc(func(ctx context.Context, _ *store.Record) (store.Token, error) {
		return longLived(), wait(ctx, 20*time.Millisecond)
	})
	for _, storm := range []string{"none", "of others", "of its own"} {
		b.Run("storm="+storm, func(b *testing.B) {
			var ahead atomic.Int64 // of the clock
			k, _, rec := lively(b, slow, &keeper.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
			if storm == "of its own" {
				ahead.Store(int64(58 * time.Minute)) // valid for two minutes more, and the answer is no better
			}
			ctx, stop := context.WithCancel(b.Context())
			var storms sync.WaitGroup
			if storm == "of others" {
				for i := range grants {
					h := store.Key("other", fmt.Sprint(i))
					if _, err := k.Start(ctx, h, &store.Record{Token: longLived()}); err != nil {
						b.Fatal(err)
					}
					storms.Go(func() {
						for ctx.Err() == nil {
							k.Refresh(ctx, h)
						}
					})
				}
			}
			var mu sync.Mutex
			var all []float64
			b.RunParallel(func(pb *testing.PB) {
				var took []float64
				for pb.Next() {
					began := time.Now()
					if _, err := k.Get(ctx, rec.Handle); err != nil {
						b.Error(err)
					}
					took = append(took, float64(time.Since(began).Nanoseconds()))
				}
				mu.Lock()
				all = append(all, took...)
				mu.Unlock()
			})
			stop()
			storms.Wait()
			slices.Sort(all)
			b.ReportMetric(all[len(all)*99/100], "ns/p99")
			b.ReportMetric(all[len(all)-1], "ns/worst")
		})
	}
}

// A thousand callers of one expired grant at a provider that takes 20 ms, against as many that wait for one channel.
func BenchmarkStorm(b *testing.B) {
	const callers = 1000
	const latency = 20 * time.Millisecond
	var calls atomic.Int64
	k, _, _ := lively(b, keeper.RefreshFunc(func(ctx context.Context, _ *store.Record) (store.Token, error) {
		calls.Add(1)
		return longLived(), wait(ctx, latency)
	}), nil)
	var took [2][]float64
	rounds := 0
	for ; b.Loop(); rounds++ {
		began := time.Now()
		done := make(chan struct{})
		var all sync.WaitGroup
		for range callers {
			all.Go(func() { <-done })
		}
		time.Sleep(latency)
		close(done)
		all.Wait()
		took[0] = append(took[0], float64(time.Since(began).Microseconds()))

		tok := longLived()
		tok.Expiry = time.Now().Add(-time.Minute)
		if _, err := k.Start(background, chaosKey, &store.Record{Token: tok}); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		for range callers {
			all.Go(func() {
				if _, err := k.Get(background, chaosKey); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		took[1] = append(took[1], float64(time.Since(began).Microseconds()))
	}
	f, o := median(took[0]), median(took[1])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(f, "µs/floor")
	b.ReportMetric(o, "µs/ours")
	b.ReportMetric(o/f, "ratio")
	b.ReportMetric(float64(calls.Load())/float64(rounds), "calls/round")
}

// A thousand callers with 20 ms of patience each, while a refresh takes 300 ms: how long after its deadline the last one
// was let go. What a bare timer does for as many is the floor.
func BenchmarkDeadline(b *testing.B) {
	const patience = 20 * time.Millisecond
	k, _, _ := lively(b, keeper.RefreshFunc(func(ctx context.Context, _ *store.Record) (store.Token, error) {
		return longLived(), wait(ctx, 300*time.Millisecond)
	}), nil)
	late := func(leave func(ctx context.Context) error) float64 {
		var worst atomic.Int64
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(background, patience)
				defer cancel()
				until, _ := ctx.Deadline()
				if err := leave(ctx); !errors.Is(err, context.DeadlineExceeded) {
					b.Error(err)
				}
				for d := int64(time.Since(until)); ; {
					if old := worst.Load(); d <= old || worst.CompareAndSwap(old, d) {
						return
					}
				}
			})
		}
		all.Wait()
		return float64(worst.Load()) / 1e6
	}
	var took [2][]float64
	for b.Loop() {
		took[0] = append(took[0], late(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		tok := longLived()
		tok.Expiry = time.Now().Add(-time.Minute)
		if _, err := k.Start(background, chaosKey, &store.Record{Token: tok}); err != nil {
			b.Fatal(err)
		}
		took[1] = append(took[1], late(func(ctx context.Context) error { _, err := k.Get(ctx, chaosKey); return err }))
		if _, err := k.Get(background, chaosKey); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(took[0]), "ms-late/floor")
	b.ReportMetric(median(took[1]), "ms-late/ours")
}
