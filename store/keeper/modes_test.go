package keeper_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

func contains(s, sub string) bool { return strings.Contains(s, sub) }

// roundTrip answers requests without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, header ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i+1 < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	return w.Result()
}

const api = "https://api.example.com"

// M1: the call fails before any request; the caller refreshes and repeats it.
func TestManualMode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var requests atomic.Int64
		w := newWorld(t, &keeper.Options{Mode: keeper.Manual, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			requests.Add(1)
			return answer(200), nil
		})})
		rec := w.start(time.Second)
		client := w.keep.Client(rec.Handle, api)
		time.Sleep(2 * time.Second)
		_, err := client.Get(api + "/secret")
		var expired *keeper.ExpiredError
		if !errors.As(err, &expired) || expired.Record.ID != rec.ID || expired.Record.Handle != rec.Handle || errors.Is(err, keeper.ErrLoginRequired) {
			t.Fatalf("got %v", err)
		}
		w.wantCalls(0)
		if requests.Load() != 0 {
			t.Error("the API request was sent")
		}
		if _, err := w.keep.Refresh(t.Context(), rec.Handle); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Get(api + "/secret"); err != nil || requests.Load() != 1 {
			t.Errorf("after Refresh: %v, %d requests", err, requests.Load())
		}
		w.wantCalls(1)
	})
}

// M2: refreshed and committed, then the call fails with the new record; the repeat needs no second refresh.
func TestSignalMode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var sent []string
		w := newWorld(t, &keeper.Options{Mode: keeper.Signal, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Header.Get("Authorization"))
			return answer(200), nil
		})})
		rec := w.start(time.Second)
		client := w.keep.Client(rec.Handle, api)
		time.Sleep(2 * time.Second)
		_, err := client.Get(api)
		var updated *keeper.UpdatedError
		if !errors.As(err, &updated) || updated.Record.Token.AccessToken != "access-1" {
			t.Fatalf("got %v", err)
		}
		if len(sent) != 0 {
			t.Error("the API request was sent")
		}
		if stored, err := w.tokens.Get(t.Context(), rec.Handle); err != nil || stored.Generation != 1 {
			t.Errorf("stored: %v, %v", stored, err)
		}
		if _, err := client.Get(api); err != nil || len(sent) != 1 || sent[0] != "Bearer access-1" {
			t.Errorf("the repeat: %v, sent %q", err, sent)
		}
		w.wantCalls(1)
	})
}

// M3 and M4: the hook hears of each refresh once, with the merged record, before the API request goes out.
func TestAutoModeTellsTheHookOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var events []string
		note := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, s)
		}
		w := newWorld(t, &keeper.Options{
			OnRefresh: func(_ context.Context, old, updated *store.Record) error {
				note("hook " + old.Token.AccessToken + " " + updated.Token.AccessToken + " " + strings.Join(updated.Token.Scopes, ","))
				return nil
			},
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				note(r.Header.Get("Authorization"))
				return answer(200), nil
			}),
		})
		w.p.delay = time.Second
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := w.keep.Client(rec.Handle, api).Get(api); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(events) != 11 || events[0] != "hook access-0 access-1 read" || events[1] != "Bearer access-1" {
			t.Errorf("events: %q", events)
		}
	})
}

func TestHookFailuresUndoNothing(t *testing.T) {
	for name, hook := range map[string]func(ctx context.Context, keep *keeper.Keeper, rec *store.Record) error{
		"fails":  func(context.Context, *keeper.Keeper, *store.Record) error { return errors.New("no") },
		"panics": func(context.Context, *keeper.Keeper, *store.Record) error { panic("no") },
		"blocks": func(ctx context.Context, _ *keeper.Keeper, _ *store.Record) error {
			time.Sleep(time.Minute)
			return ctx.Err()
		},
		"calls back": func(ctx context.Context, keep *keeper.Keeper, rec *store.Record) error {
			got, err := keep.Get(ctx, rec.Handle)
			if err == nil && got.Generation != rec.Generation {
				return errors.New("the hook reads another generation")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var keep *keeper.Keeper
				obs := &recorder{}
				w := newWorld(t, &keeper.Options{Observer: obs, OnRefresh: func(ctx context.Context, _, updated *store.Record) error {
					return hook(ctx, keep, updated)
				}})
				keep = w.keep
				rec := w.start(time.Second)
				time.Sleep(2 * time.Second)
				if got := w.get(rec.Handle); got.Generation != 1 {
					t.Error("the refresh was undone")
				}
				if got, want := obs.count(keeper.HookError) > 0, name != "calls back"; got != want {
					t.Errorf("hook error reported: %v, want %v", got, want)
				}
				w.wantCalls(1)
			})
		})
	}
}

type recorder struct {
	mu     sync.Mutex
	events []keeper.Event
}

func (r *recorder) Observe(e keeper.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) count(kind keeper.EventKind) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// M5: by default there is no early window in Manual and Signal mode; Window sets one.
func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		window time.Duration
		at     time.Duration
		want   bool
	}{
		{"a second before", 0, 59 * time.Second, false},
		{"at expiry", 0, time.Minute, true},
		{"inside the window", 10 * time.Second, 50 * time.Second, true},
		{"before the window", 10 * time.Second, 49 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				for _, mode := range []keeper.Mode{keeper.Manual, keeper.Signal} {
					w := newWorld(t, &keeper.Options{Mode: mode, Window: tt.window})
					rec := w.start(time.Minute)
					time.Sleep(tt.at)
					_, err := w.keep.Get(t.Context(), rec.Handle)
					if got := err != nil; got != tt.want {
						t.Errorf("mode %d: expired: %v, want %v", mode, err, tt.want)
					}
				}
			})
		})
	}
}

// C7: what cannot be refreshed says so.
func TestNothingToRefreshWith(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		keep, err := keeper.New(w.tokens, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		_, err = keep.Get(t.Context(), rec.Handle)
		var expired *keeper.ExpiredError
		if !errors.As(err, &expired) || !errors.Is(err, keeper.ErrLoginRequired) {
			t.Errorf("got %v", err)
		}
	})
}

func TestForcedRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Hour)
		got, err := w.keep.Refresh(t.Context(), rec.Handle)
		if err != nil || got.Generation != 1 {
			t.Errorf("got %v, %v", got, err)
		}
		got, err = w.keep.Refresh(t.Context(), rec.Handle)
		if err != nil || got.Generation != 2 {
			t.Errorf("again: got %v, %v", got, err)
		}
		synctest.Wait()
		w.wantCalls(2)
	})
}
