package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// provider is a rotating token endpoint: each refresh token works once.
type provider struct {
	mu      sync.Mutex
	n       int
	live    string
	revoked []string
	calls   atomic.Int64
	life    time.Duration
	delay   time.Duration
	answer  func(n int, rec *store.Record) (store.Token, error) // nil: rotate
	revoke  error
}

func (p *provider) Refresh(ctx context.Context, rec *store.Record) (store.Token, error) {
	n := int(p.calls.Add(1))
	if p.delay > 0 {
		select {
		case <-time.After(p.delay):
		case <-ctx.Done():
			return store.Token{}, ctx.Err()
		}
	}
	if p.answer != nil {
		return p.answer(n, rec)
	}
	return p.rotate(rec)
}

func (p *provider) rotate(rec *store.Record) (store.Token, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rec.Token.RefreshToken != p.live {
		return store.Token{}, outcomeError{keeper.Dead}
	}
	p.n++
	p.live = fmt.Sprintf("refresh-%d", p.n)
	return store.Token{AccessToken: fmt.Sprintf("access-%d", p.n), RefreshToken: p.live, Expiry: time.Now().Add(p.life)}, nil
}

func (p *provider) Revoke(_ context.Context, rec *store.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.revoke == nil {
		p.revoked = append(p.revoked, rec.Token.RefreshToken)
	}
	return p.revoke
}

type outcomeError struct{ o keeper.Outcome }

func (e outcomeError) Error() string           { return "provider: " + e.o.String() }
func (e outcomeError) Outcome() keeper.Outcome { return e.o }

// world is one keeper over one memory store and one provider, inside a synctest bubble.
type world struct {
	t      *testing.T
	p      *provider
	tokens store.TokenStore
	keep   *keeper.Keeper
}

func newWorld(t *testing.T, o *keeper.Options) *world {
	t.Helper()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, p: &provider{live: "refresh-0", life: time.Hour}, tokens: tokens}
	w.keep = w.newKeeper(tokens, o)
	return w
}

func (w *world) newKeeper(tokens store.TokenStore, o *keeper.Options) *keeper.Keeper {
	w.t.Helper()
	var opts keeper.Options
	if o != nil {
		opts = *o
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	keep, err := keeper.New(tokens, w.p, &opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := keep.Close(context.Background()); err != nil {
			w.t.Error("Close:", err)
		}
	})
	return keep
}

// start begins a grant whose access token lives for life.
func (w *world) start(life time.Duration) *store.Record {
	w.t.Helper()
	rec, err := w.keep.Start(w.t.Context(), store.Handle{}, &store.Record{Subject: "alice", Token: firstToken(life)})
	if err != nil {
		w.t.Fatal(err)
	}
	return rec
}

func firstToken(life time.Duration) store.Token {
	return store.Token{AccessToken: "access-0", RefreshToken: "refresh-0", Scopes: []string{"read"}, Expiry: time.Now().Add(life)}
}

func (w *world) get(h store.Handle) *store.Record {
	w.t.Helper()
	rec, err := w.keep.Get(w.t.Context(), h)
	if err != nil {
		w.t.Fatal("Get:", err)
	}
	return rec
}

func (w *world) wantCalls(n int64) {
	w.t.Helper()
	if got := w.p.calls.Load(); got != n {
		w.t.Errorf("provider was called %d times, want %d", got, n)
	}
}

func inBubble(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, fn)
}

func TestGetReturnsAValidTokenWithoutAsking(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Hour)
		if got := w.get(rec.Handle); got.Token.AccessToken != "access-0" || got.Generation != 0 {
			t.Errorf("got %v", got)
		}
		w.wantCalls(0)
	})
}

func TestGetRefreshesAnExpiredToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		got := w.get(rec.Handle)
		if got.Token.AccessToken != "access-1" || got.Token.RefreshToken != "refresh-1" || got.Generation != 1 {
			t.Errorf("got generation %d with %q", got.Generation, got.Token.AccessToken)
		}
		if got.ID != rec.ID || got.Handle != rec.Handle || got.Subject != "alice" {
			t.Error("the refresh changed whose record it is")
		}
		if fmt.Sprint(got.Token.Scopes) != "[read]" {
			t.Errorf("scopes %q: an answer without scope leaves them unchanged", got.Token.Scopes)
		}
		w.get(rec.Handle)
		w.wantCalls(1)
	})
}

func TestStormOfOneProcessCallsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.p.delay = 200 * time.Millisecond
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		var failed atomic.Int64
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				got, err := w.keep.Get(t.Context(), rec.Handle)
				if err != nil || got.Token.AccessToken != "access-1" {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		w.wantCalls(1)
		if failed.Load() != 0 {
			t.Errorf("%d of 1000 callers failed", failed.Load())
		}
	})
}

func TestReplicasCallOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.p.delay = 200 * time.Millisecond
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		for range 8 {
			keep := w.newKeeper(w.tokens, nil)
			for range 10 {
				wg.Go(func() {
					if got, err := keep.Get(t.Context(), rec.Handle); err != nil || got.Generation != 1 {
						t.Errorf("got %v, %v", got, err)
					}
				})
			}
		}
		wg.Wait()
		w.wantCalls(1)
	})
}

func TestEarlyRefreshIsInTheBackground(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.p.delay = 2 * time.Second
		rec := w.start(time.Hour)
		time.Sleep(57 * time.Minute) // a tenth is 6 min, capped to 5 ± 20 %
		began := time.Now()
		if got := w.get(rec.Handle); got.Generation != 0 {
			t.Error("the old token is not served while a background refresh runs")
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("a valid token was waited for: %v", d)
		}
		time.Sleep(3 * time.Second)
		if got := w.get(rec.Handle); got.Generation != 1 {
			t.Error("the background refresh was not committed")
		}
		w.wantCalls(1)
	})
}

func TestARepeatedTokenIsNotRefreshedEarlyAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) { // BreakOut issues the same token again with what is left of it
		w := newWorld(t, nil)
		rec := w.start(10 * time.Minute)
		w.p.answer = func(_ int, rec *store.Record) (store.Token, error) { return rec.Token, nil }
		time.Sleep(9*time.Minute + 30*time.Second)
		w.get(rec.Handle)
		synctest.Wait()
		for range 20 {
			w.get(rec.Handle)
			time.Sleep(time.Second)
		}
		w.wantCalls(1)
	})
}

func TestUnknownLifetimeIsUsable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		tok := firstToken(0)
		tok.Expiry = time.Time{}
		rec, err := w.keep.Start(t.Context(), store.Key("k"), &store.Record{Token: tok})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1000 * time.Hour)
		w.get(rec.Handle)
		w.wantCalls(0)
	})
}

func TestExpiredRefreshTokenNeedsLoginWithoutACall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		tok := firstToken(time.Minute)
		tok.RefreshExpiry = time.Now().Add(time.Hour)
		rec, err := w.keep.Start(t.Context(), store.Key("k"), &store.Record{Token: tok})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrLoginRequired) {
			t.Errorf("got %v", err)
		}
		w.wantCalls(0)
	})
}

func TestDeadGrantIsDeadForEverybody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Second)
		w.p.live = "another"
		time.Sleep(2 * time.Second)
		other := w.newKeeper(w.tokens, nil)
		for _, keep := range []*keeper.Keeper{w.keep, w.keep, other} {
			_, err := keep.Get(t.Context(), rec.Handle)
			if !errors.Is(err, keeper.ErrLoginRequired) || errors.Is(err, store.ErrNotFound) {
				t.Errorf("got %v", err)
			}
		}
		w.wantCalls(1)
	})
}

func TestRefusalAfterSomebodyElseWonAdopts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		other := w.newKeeper(w.tokens, nil)
		w.p.answer = func(n int, rec *store.Record) (store.Token, error) {
			if n == 1 { // paused past its lease, while another replica takes over and wins
				time.Sleep(20 * time.Second)
			}
			return w.p.rotate(rec)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if got, err := w.keep.Get(t.Context(), rec.Handle); err != nil || got.Generation != 1 {
				t.Errorf("the loser got %v, %v; want the winner's token", got, err)
			}
		})
		time.Sleep(time.Second)
		wg.Go(func() {
			if _, err := other.Get(t.Context(), rec.Handle); err != nil {
				t.Error("the winner got", err)
			}
		})
		wg.Wait()
		if got := w.get(rec.Handle); got.Token.AccessToken != "access-1" {
			t.Errorf("the record holds %q", got.Token.AccessToken)
		}
	})
}

func TestLeaverDoesNotDisturbTheRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.p.delay = time.Second
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := w.keep.Get(ctx, rec.Handle); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the leader got %v", err)
		}
		if d := time.Since(began); d != 100*time.Millisecond {
			t.Errorf("the leader's deadline was kept to %v", d)
		}
		if got := w.get(rec.Handle); got.Generation != 1 {
			t.Error("the refresh was lost with its leader")
		}
		w.wantCalls(1)
	})
}
