package keeper_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

type nilError struct{ text string }

func (e *nilError) Error() string           { return e.text }
func (e *nilError) Outcome() keeper.Outcome { return keeper.Outcome(len(e.text)) }

// Whatever a refresher does, its flight lands: callers hear ErrUnavailable, and later ones may try again.
func TestRefresherMisbehaves(t *testing.T) {
	for name, does := range map[string]func() error{
		"panics":              func() error { panic("no") },
		"ends its goroutine":  func() error { runtime.Goexit(); return nil },
		"returns a nil error": func() error { return (*nilError)(nil) },
		"unheard-of outcome":  func() error { return &nilError{"12345678"} },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, nil)
				rec := w.start(time.Second)
				time.Sleep(2 * time.Second)
				w.p.answer = func(int, *store.Record) (store.Token, error) { return store.Token{}, does() }
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := w.keep.Get(ctx, rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
				if n := w.p.calls.Load(); n < 2 && name != "ends its goroutine" {
					t.Errorf("%d calls: what became of the refresh token is not known", n)
				}
				w.p.answer = nil
				time.Sleep(time.Minute)
				if got := w.get(rec.Handle); got.Generation != 1 {
					t.Errorf("later: %v", got)
				}
			})
		})
	}
}

type panicking struct{}

// Observe implements keeper.Observer.
func (panicking) Observe(e keeper.Event) { panic("secret of " + e.RecordID) }

// An Observer that panics is reported, without what it panicked with, and changes nothing.
func TestObserverPanics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var said strings.Builder
		w := newWorld(t, &keeper.Options{Observer: panicking{}, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		if got := w.get(rec.Handle); got.Generation != 1 {
			t.Errorf("got %v", got)
		}
		if err := w.keep.End(t.Context(), rec.Handle); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if !contains(said.String(), "Observer") || contains(said.String(), "secret") {
			t.Errorf("said %q", said.String())
		}
	})
}
