package keeper_test

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

func TestOutcomesKeepTheGrant(t *testing.T) {
	for _, tt := range []struct {
		outcome keeper.Outcome
		calls   int64 // during the first Get: unknown outcomes are sent again
	}{{keeper.ConfigError, 1}, {keeper.RetryLater, 1}, {keeper.Unknown, 4}} {
		t.Run(tt.outcome.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, nil)
				rec := w.start(time.Second)
				w.p.answer = func(int, *store.Record) (store.Token, error) { return store.Token{}, outcomeError{tt.outcome} }
				time.Sleep(2 * time.Second)
				for range 50 { // within one back-off step
					_, err := w.keep.Get(t.Context(), rec.Handle)
					if !errors.Is(err, keeper.ErrUnavailable) || errors.Is(err, keeper.ErrLoginRequired) {
						t.Fatalf("got %v", err)
					}
				}
				w.wantCalls(tt.calls)
				w.p.answer = nil
				time.Sleep(2 * time.Second)
				if got := w.get(rec.Handle); got.Generation != 1 {
					t.Error("not refreshed once the provider was back")
				}
			})
		})
	}
}

func TestLostAnswerIsHealedByResending(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Second)
		w.p.answer = func(n int, rec *store.Record) (store.Token, error) {
			if n == 1 {
				return store.Token{}, io.ErrUnexpectedEOF
			}
			return w.p.rotate(rec)
		}
		time.Sleep(2 * time.Second)
		if got := w.get(rec.Handle); got.Generation != 1 {
			t.Errorf("got %v", got)
		}
		w.wantCalls(2)
	})
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := keeper.New(nil, nil, &keeper.Options{Lease: time.Second, MaxConcurrent: -1, Mode: 7, Window: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no token store", "Lease", "MaxConcurrent", "Mode", "Window"} {
		if !contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

// The same token is sent again after 0.3, 1 and 3 s, while the budget lasts.
func TestResendsAreSpaced(t *testing.T) {
	for _, tt := range []struct{ budget, unit time.Duration }{
		{0, time.Second}, {8 * time.Second, time.Second}, {400 * time.Millisecond, time.Second / 20}, {time.Minute, time.Second},
	} {
		t.Run(tt.budget.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, &keeper.Options{SendBudget: tt.budget, Jitter: func() float64 { return 0.5 }})
				rec := w.start(time.Second)
				time.Sleep(2 * time.Second)
				var sent []time.Duration
				began := time.Now()
				w.p.answer = func(int, *store.Record) (store.Token, error) {
					sent = append(sent, time.Since(began))
					return store.Token{}, io.ErrUnexpectedEOF
				}
				if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
				want := []time.Duration{0, 3 * tt.unit / 10, 13 * tt.unit / 10, 43 * tt.unit / 10}
				if !slices.Equal(sent, want) {
					t.Errorf("sent after %v, want %v", sent, want)
				}
			})
		})
	}
}
