package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// views: W1.
func views() []testcase {
	return []testcase{
		{"what Get returns", viewer | server, func(t *testing.T, e *env) {
			want := e.create(t, sample())
			for _, h := range []store.Handle{want.Handle, store.Hashed(want.Handle.Sum())} {
				got := shown(t, e, h)
				same(t, want, got)
				if got.Version != want.Version {
					t.Errorf("View: version %q, want %q", got.Version, want.Version)
				}
				if got.Handle != store.Hashed(want.Handle.Sum()) {
					t.Errorf("View: handle %v, want the hashed one", got.Handle)
				}
			}
		}},
		{"nothing that Get refuses", viewer | server, func(t *testing.T, e *env) {
			live := e.create(t, sample())
			shown(t, e, live.Handle)
			done, cancel := context.WithCancel(t.Context())
			cancel()
			hides(t, done, e.s, live.Handle, "for a done context")
			hides(t, t.Context(), e.s, store.Handle{}, "for the zero handle")
			hides(t, t.Context(), e.s, e.fresh(), "for an unknown handle")
			hides(t, t.Context(), e.s, e.end(t, live).Handle, "of an ended record")
			expired := sample()
			expired.Expires = e.now(t).Add(-time.Second)
			hides(t, t.Context(), e.s, e.create(t, expired).Handle, "of an expired record")
		}},
		{"whose it is", viewer | server, func(t *testing.T, e *env) {
			if of := e.s.(store.Viewer).Viewed(); of != e.s {
				t.Errorf("Viewed: another store, a %T", of)
			}
		}},
	}
}

// currentViews: W2.
func currentViews() []testcase {
	return []testcase{
		{"own writes", viewer | server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			for range 5 {
				shown(t, e, rec.Handle)
				rec.Generation++
				rec = e.put(t, rec.Handle, rec)
				if got := shown(t, e, rec.Handle); got.Version != rec.Version {
					t.Errorf("View: version %q, want %q", got.Version, rec.Version)
				}
			}
			e.delete(t, rec.Handle, "")
			hides(t, t.Context(), e.s, rec.Handle, "of a deleted record")
		}},
		{"the peer's writes", viewer | server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			shown(t, e, rec.Handle)
			rec.Generation++
			rec = written(t, e.peer, rec.Handle, rec)
			if got := shown(t, e, rec.Handle); got.Version != rec.Version {
				t.Errorf("View: version %q, want %q", got.Version, rec.Version)
			}
			if err := e.peer.Delete(t.Context(), rec.Handle, ""); err != nil {
				t.Fatal(err)
			}
			hides(t, t.Context(), e.s, rec.Handle, "of a deleted record")
		}},
		{"expiry", viewer | server | advance, func(t *testing.T, e *env) {
			rec := sample()
			rec.Expires = e.now(t).Add(time.Minute)
			rec = e.create(t, rec)
			shown(t, e, rec.Handle)
			e.Advance(t, e.s, 2*time.Minute)
			hides(t, t.Context(), e.s, rec.Handle, "of a record that has expired since")
		}},
		{"beside a writer", viewer | server, func(t *testing.T, e *env) {
			h := e.create(t, &store.Record{ID: "written"}).Handle
			var acked atomic.Uint64
			done := make(chan struct{})
			for _, err := range race(e, 5, func(i int, _ store.TokenStore) error {
				if i == 0 {
					defer close(done)
					return writeOn(t, e.s, h, 200, &acked)
				}
				return lookOn(t, e.s, h, done, &acked)
			}) {
				if err != nil {
					t.Error(err)
				}
			}
		}},
	}
}

// lookOn is readOn by View.
func lookOn(t *testing.T, s store.TokenStore, h store.Handle, written <-chan struct{}, acked *atomic.Uint64) error {
	for {
		before := acked.Load()
		if rec, _ := s.(store.Viewer).View(t.Context(), h); rec != nil && rec.Generation < before {
			return fmt.Errorf("View: generation %d, though %d was acknowledged before", rec.Generation, before)
		}
		select {
		case <-written:
			return nil
		default:
			runtime.Gosched()
		}
	}
}

// lastingViews: W3.
func lastingViews() []testcase {
	return []testcase{
		{"through writes", viewer | server, func(t *testing.T, e *env) {
			given := sample()
			first := e.create(t, given)
			scribble(given)
			got := shown(t, e, first.Handle)
			was := got.Clone()
			next := first.Clone()
			next.Generation, next.Token.AccessToken, next.Token.Scopes = 99, "another", []string{"else"}
			e.put(t, first.Handle, next)
			shown(t, e, first.Handle)
			e.delete(t, first.Handle, "")
			same(t, was, got)
			if got.Version != was.Version || got.Handle != was.Handle || got.ReadAt != was.ReadAt {
				t.Error("what View had shown has changed")
			}
		}},
		{"beside what Get and Put return", viewer | server, func(t *testing.T, e *env) {
			want := e.create(t, sample())
			got := shown(t, e, want.Handle)
			scribble(e.get(t, want.Handle))
			same(t, want, got)
			kept := want.Clone()
			scribble(want)
			same(t, kept, shown(t, e, kept.Handle))
		}},
	}
}

// shown is what View shows of a live record. A store that has the power shows it at one of a few tries.
func shown(t *testing.T, e *env, h store.Handle) *store.Record {
	t.Helper()
	for range 10 {
		began := time.Now()
		rec, now := e.s.(store.Viewer).View(t.Context(), h)
		if rec == nil {
			continue
		}
		if !now.IsZero() && (now.Before(began) || now.After(time.Now())) {
			t.Errorf("View: judged by %v, which is not the system's clock", now)
		}
		return rec
	}
	t.Fatal("View: nothing, of a live record")
	return nil
}

// hides checks that View shows nothing.
func hides(t *testing.T, ctx context.Context, s store.TokenStore, h store.Handle, what string) {
	t.Helper()
	if slices.ContainsFunc(make([]int, 3), func(int) bool {
		rec, _ := s.(store.Viewer).View(ctx, h)
		return rec != nil
	}) {
		t.Errorf("View: a record %s", what)
	}
}
