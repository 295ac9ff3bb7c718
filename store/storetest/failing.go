package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// dones are contexts that are done, with their causes.
func dones(t *testing.T) map[string]struct {
	ctx   context.Context
	cause error
} {
	t.Helper()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	reason := errors.New("the caller's reason")
	caused, cancelCause := context.WithCancelCause(t.Context())
	cancelCause(reason)
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(1, 0))
	t.Cleanup(cancelLate)
	return map[string]struct {
		ctx   context.Context
		cause error
	}{
		"cancelled":              {cancelled, context.Canceled},
		"cancelled for a reason": {caused, reason},
		"past its deadline":      {late, context.DeadlineExceeded},
	}
}

// cancelled: F1.
func cancelled() []testcase {
	var cases []testcase
	for _, name := range []string{"cancelled", "cancelled for a reason", "past its deadline"} {
		cases = append(cases, testcase{name, 0, func(t *testing.T, e *env) { doneBefore(t, e, name) }})
	}
	return append(cases,
		testcase{"list", lister | server, func(t *testing.T, e *env) {
			for _, done := range dones(t) {
				_, _, err := e.s.(store.Lister).List(done.ctx, "subject", "", 1)
				causedBy(t, "List", err, done.cause)
			}
		}},
		testcase{"sweep", sweeper | server, func(t *testing.T, e *env) {
			rec := e.end(t, e.create(t, sample()))
			for _, done := range dones(t) {
				n, err := e.s.(store.Sweeper).Sweep(done.ctx, 10, func(context.Context, *store.Record) error { return nil })
				causedBy(t, "Sweep", err, done.cause)
				if n != 0 {
					t.Errorf("Sweep: %d removed", n)
				}
			}
			e.holds(t, rec.Handle, rec)
		}},
		testcase{"during a get", server, cancelledReads},
		testcase{"during a put", server, cancelledWrites},
	)
}

func doneBefore(t *testing.T, e *env, name string) {
	t.Helper()
	rec := e.create(t, sample())
	absent := e.fresh()
	done := dones(t)[name]
	got, err := e.s.Get(done.ctx, rec.Handle)
	causedBy(t, "Get", err, done.cause)
	if got != nil {
		t.Error("Get: a record beside an error")
	}
	_, err = e.s.Get(done.ctx, store.NewCredential("session"))
	causedBy(t, "Get of what is not there", err, done.cause)
	_, err = e.s.Put(done.ctx, absent, sample())
	causedBy(t, "Put that creates", err, done.cause)
	next := rec.Clone()
	next.Generation++
	_, err = e.s.Put(done.ctx, rec.Handle, next)
	causedBy(t, "Put that replaces", err, done.cause)
	causedBy(t, "Delete", e.s.Delete(done.ctx, rec.Handle, rec.Version), done.cause)
	e.holds(t, rec.Handle, rec)
	if !e.Stateless {
		e.absent(t, absent)
	}
}

func causedBy(t *testing.T, what string, err, cause error) {
	t.Helper()
	fails(t, what+" under a done context", err, "other")
	if err != nil && !errors.Is(err, cause) {
		t.Errorf("%s under a done context: %v does not wrap %v", what, err, cause)
	}
}

// briefly calls f with a context that ends while f runs, now earlier and now later.
func briefly(t *testing.T, i int, f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	switch i % 4 {
	case 0:
		go cancel()
	default:
		timer := time.AfterFunc(time.Duration(i%50)*20*time.Microsecond, cancel)
		defer timer.Stop()
	}
	f(ctx)
}

func cancelledReads(t *testing.T, e *env) {
	var recs []*store.Record
	for range 4 {
		recs = append(recs, e.create(t, sample()))
	}
	for _, diffs := range race(e, 8, func(i int, s store.TokenStore) (diffs []string) {
		want := recs[i%len(recs)]
		for j := range 25 {
			briefly(t, i+j, func(ctx context.Context) {
				got, err := s.Get(ctx, want.Handle)
				switch {
				case err == nil && got != nil:
					diffs = append(diffs, differences(brief(want), brief(got))...)
				case got != nil || kind(err) != "other":
					diffs = append(diffs, fmt.Sprintf("Get: %s (%v), record %v", kind(err), err, got != nil))
				}
			})
		}
		return diffs
	}) {
		for _, d := range diffs {
			t.Errorf("a read whose context ended: %s", d)
		}
	}
}

// cancelledWrites puts under contexts that end meanwhile: what is stored then is one of the two, and not the old one if
// the Put succeeded.
func cancelledWrites(t *testing.T, e *env) {
	rec := e.create(t, sample())
	for i := range 40 {
		next := sample()
		next.Version = rec.Version
		var err error
		briefly(t, i, func(ctx context.Context) { _, err = e.s.Put(ctx, rec.Handle, next) })
		if k := kind(err); k != "nil" && k != "other" {
			t.Fatalf("Put whose context ended: %v", err)
		}
		got := e.get(t, rec.Handle)
		switch {
		case got.Version == rec.Version && err == nil:
			t.Fatal("a Put succeeded and did nothing")
		case got.Version == rec.Version:
			same(t, brief(rec), brief(got))
		default:
			same(t, brief(next), brief(got))
		}
		rec = got
	}
}

// outcomes: F2.
func outcomes() []testcase {
	return []testcase{
		{"a refusal means not written", server, func(t *testing.T, e *env) {
			old := e.create(t, sample())
			rec := e.put(t, old.Handle, old)
			for _, v := range []store.Version{"", old.Version} {
				other := sample()
				other.Version = v
				if _, err := e.s.Put(t.Context(), rec.Handle, other); err == nil {
					t.Fatal("Put that has to be refused succeeded")
				}
				e.holds(t, rec.Handle, rec)
			}
		}},
		{"success means written", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			for range 3 {
				next := sample()
				next.Version = rec.Version
				rec = e.put(t, rec.Handle, next)
				e.holds(t, rec.Handle, rec)
			}
		}},
		{"in a storm of cancelled contexts", server, storm},
	}
}

// storm lets many writers create, replace and delete under contexts that end meanwhile: what a refusal refused is
// never stored, and of two successes at one version there is none.
func storm(t *testing.T, e *env) {
	h := e.fresh()
	var mu sync.Mutex
	refused := map[string]bool{}           // by ID
	replaced := map[store.Version]string{} // by whom
	race(e, 8, func(i int, s store.TokenStore) struct{} {
		for j := range 15 {
			next := sample()
			if cur, err := s.Get(t.Context(), h); err == nil {
				next.Version = cur.Version
			}
			briefly(t, i+j, func(ctx context.Context) {
				_, err := s.Put(ctx, h, next)
				mu.Lock()
				defer mu.Unlock()
				switch kind(err) {
				case "nil":
					if by := replaced[next.Version]; by != "" && next.Version != "" {
						t.Errorf("version %q was replaced twice", next.Version)
					}
					replaced[next.Version] = next.ID
				case "ErrNotFound", "ErrExists", "ErrConflict":
					refused[next.ID] = true
				case "other":
				default:
					t.Errorf("Put: %v", err)
				}
			})
			if got, err := s.Get(t.Context(), h); err == nil {
				mu.Lock()
				if refused[got.ID] {
					t.Errorf("a Put that was refused is stored")
				}
				mu.Unlock()
			}
			if j%5 == 4 {
				briefly(t, i+j, func(ctx context.Context) { s.Delete(ctx, h, next.Version) })
			}
		}
		return struct{}{}
	})
}

// silentErrors: F3.
func silentErrors() []testcase {
	return []testcase{
		{"refusals", server, func(t *testing.T, e *env) {
			rec := e.put(t, store.NewCredential("session"), sample())
			stale, again := sample(), sample()
			stale.Version = "stale"
			_, exists := e.s.Put(t.Context(), rec.Handle, again)
			silent(t, exists, rec, again)
			_, conflict := e.s.Put(t.Context(), rec.Handle, stale)
			silent(t, conflict, rec, stale)
			h := store.NewCredential("session")
			stale.Handle = h
			_, none := e.s.Get(t.Context(), h)
			silent(t, none, stale)
			_, none = e.s.Put(t.Context(), h, stale)
			silent(t, none, stale)
			rec = e.end(t, rec)
			_, ended := e.s.Get(t.Context(), rec.Handle)
			silent(t, ended, rec)
		}},
		{"done contexts", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			for _, done := range dones(t) {
				_, err := e.s.Get(done.ctx, rec.Handle)
				silent(t, err, rec)
				_, err = e.s.Put(done.ctx, rec.Handle, rec)
				silent(t, err, rec)
				silent(t, e.s.Delete(done.ctx, rec.Handle, rec.Version), rec)
			}
		}},
		{"too large", 0, func(t *testing.T, e *env) {
			rec := sample()
			rec.Token.RefreshToken += hugeText()
			rec.Handle = store.NewCredential("session")
			h := rec.Handle
			if e.Stateless {
				h = store.Handle{}
			}
			_, err := e.s.Put(t.Context(), h, rec)
			rec.Token.RefreshToken = rec.Token.RefreshToken[:34]
			silent(t, err, rec)
		}},
		{"engine down", breaks, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.Break(t, e.s)
			_, err := e.s.Get(t.Context(), rec.Handle)
			silent(t, err, rec)
			_, err = e.s.Put(t.Context(), rec.Handle, rec)
			silent(t, err, rec)
			silent(t, e.s.Delete(t.Context(), rec.Handle, rec.Version), rec)
		}},
		{"tampered", edit | server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			for _, n := range []int{0, 1, 10} {
				e.Edit(t, e.s, rec.Handle, func(sealed []byte) []byte { return sealed[:min(n, len(sealed))] })
				_, err := e.s.Get(t.Context(), rec.Handle)
				silent(t, err, rec)
			}
		}},
	}
}

// silent checks that err tells no secret of the records, nor their handles, in any of the ways errors are printed.
func silent(t *testing.T, err error, recs ...*store.Record) {
	t.Helper()
	if err == nil {
		return
	}
	for _, rec := range recs {
		for what, text := range secrets(rec) {
			for _, format := range []string{"%v", "%+v", "%q"} {
				if how := readable([]byte(fmt.Sprintf(format, err)), text); how != "" {
					t.Errorf("%s stands in an error (%s)", what, how)
				}
			}
		}
	}
}
