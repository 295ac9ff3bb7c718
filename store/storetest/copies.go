package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
)

// copies: V2.
func copies() []testcase {
	return []testcase{
		{"the record put stays", 0, func(t *testing.T, e *env) {
			rec := sample()
			rec.Handle, rec.ReadAt = store.Key("mine"), day()
			untouched(t, rec, func() { e.create(t, rec) })
			old := e.create(t, sample())
			untouched(t, old, func() { e.put(t, old.Handle, old) })
			old.Version += "x"
			untouched(t, old, func() { e.s.Put(t.Context(), old.Handle, old) })
		}},
		{"the record put is not kept", 0, func(t *testing.T, e *env) {
			rec := sample()
			want := rec.Clone()
			got := e.create(t, rec)
			scribble(rec)
			same(t, want, got)
			e.holdsAll(t, got.Handle, want)
		}},
		{"what Put returns", 0, func(t *testing.T, e *env) {
			got := e.create(t, sample())
			want := got.Clone()
			scribble(got)
			e.holdsAll(t, want.Handle, want)
		}},
		{"what Get returns", 0, func(t *testing.T, e *env) {
			want := e.create(t, sample())
			a, b := e.get(t, want.Handle), e.get(t, want.Handle)
			scribble(a)
			same(t, want, b)
			e.holdsAll(t, want.Handle, want)
		}},
		{"what Get returns of an ended record", 0, func(t *testing.T, e *env) {
			want := e.end(t, e.create(t, sample()))
			a, err := e.s.Get(t.Context(), want.Handle)
			fails(t, "Get", err, "ErrEnded")
			if a != nil {
				scribble(a)
			}
			e.holdsAll(t, want.Handle, want)
		}},
		{"within a record", 0, func(t *testing.T, e *env) {
			want := e.create(t, sample())
			got := e.get(t, want.Handle)
			// What grows in place must not run into its neighbour.
			for _, n := range []int{1, 8, 64} {
				_ = append(got.Token.Extra, bytesOf(n)...)
				_ = append(got.Refresh, bytesOf(n)...)
				_ = append(got.Token.Scopes, make([]string, n)...)
				same(t, want, got)
			}
		}},
		{"readers at once", 0, func(t *testing.T, e *env) {
			want := e.create(t, sample())
			for _, diff := range race(e, 8, func(_ int, s store.TokenStore) []string {
				if e.Stateless {
					s = e.s
				}
				got, err := s.Get(t.Context(), want.Handle)
				if err != nil || got == nil {
					return []string{"Get: " + kind(err)}
				}
				diff := differences(want, got)
				scribble(got) // the race detector sees who shares it
				return diff
			}) {
				for _, d := range diff {
					t.Error(d)
				}
			}
		}},
		{"what List and Sweep return", lister | sweeper | server, func(t *testing.T, e *env) {
			want := e.create(t, sample())
			recs, _, err := e.s.(store.Lister).List(t.Context(), want.Subject, "", 1)
			if err != nil || len(recs) != 1 {
				t.Fatalf("List: %d records, %v", len(recs), err)
			}
			scribble(recs[0])
			e.holdsAll(t, want.Handle, want)
			want = e.end(t, want)
			if _, err := e.s.(store.Sweeper).Sweep(t.Context(), 1, func(_ context.Context, rec *store.Record) error {
				scribble(rec)
				return errors.New("not yet")
			}); err != nil && kind(err) != "other" {
				t.Errorf("Sweep: %v", err)
			}
			e.holdsAll(t, want.Handle, want)
		}},
	}
}

func bytesOf(n int) []byte { return []byte(strings.Repeat("X", n)) }

// untouched checks that f leaves rec as it is.
func untouched(t *testing.T, rec *store.Record, f func()) {
	t.Helper()
	was := rec.Clone()
	f()
	same(t, was, rec)
	if rec.Version != was.Version || rec.Handle != was.Handle || !rec.ReadAt.Equal(was.ReadAt) {
		t.Error("Put changed the record it was given")
	}
}

// scribble writes over everything that rec refers to.
func scribble(rec *store.Record) {
	for i := range rec.Token.Scopes {
		rec.Token.Scopes[i] = "scribbled"
	}
	for i := range rec.Token.Extra {
		rec.Token.Extra[i] = 'X'
	}
	for i := range rec.Refresh {
		rec.Refresh[i] = 'X'
	}
	*rec = store.Record{ID: "scribbled"}
}
