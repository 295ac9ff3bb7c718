package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

var errNotYet = errors.New("not yet")

// visited sweeps up to n and returns the records that were visited; visit may be nil and then agrees to all.
func visited(t *testing.T, s store.TokenStore, n int, visit func(rec *store.Record) error) (recs []*store.Record, removed int) {
	t.Helper()
	var agreed int
	removed, err := s.(store.Sweeper).Sweep(t.Context(), n, func(_ context.Context, rec *store.Record) error {
		if rec == nil {
			t.Error("Sweep: visits nil")
			return errNotYet
		}
		recs = append(recs, rec.Clone())
		if visit != nil {
			if err := visit(rec); err != nil {
				return err
			}
		}
		agreed++
		return nil
	})
	if err != nil && agreed == len(recs) {
		t.Errorf("Sweep: %v", err) // a visit's error may be told, or not
	}
	if removed > agreed {
		t.Errorf("Sweep: %d removed, though only %d visits agreed", removed, agreed)
	}
	return recs, removed
}

func sweepAll(t *testing.T, e *env) (int, error) {
	t.Helper()
	return e.s.(store.Sweeper).Sweep(t.Context(), 100, func(context.Context, *store.Record) error { return nil })
}

// endedAt creates a record that ended, and was last updated, at that time.
func (e *env) endedAt(t *testing.T, at time.Time) *store.Record {
	t.Helper()
	rec := sample()
	rec.Ended = at.Truncate(time.Microsecond)
	rec.Updated = rec.Ended
	return e.create(t, rec)
}

// expiredAt creates a record that expired at that time.
func (e *env) expiredAt(t *testing.T, at time.Time) *store.Record {
	t.Helper()
	rec := sample()
	rec.Expires = at.Truncate(time.Microsecond)
	return e.create(t, rec)
}

// removed checks that nothing is left of rec.
func (e *env) removed(t *testing.T, rec *store.Record) {
	t.Helper()
	e.absent(t, rec.Handle)
	_, err := e.s.Put(t.Context(), rec.Handle, rec)
	fails(t, "Put at the version of a record that should be gone", err, "ErrNotFound")
}

func ids(recs []*store.Record) []string {
	var all []string
	for _, rec := range recs {
		all = append(all, rec.ID)
	}
	return all
}

// inOrder checks that got is want, but that expired records may have been dropped by the engine.
func (e *env) inOrder(t *testing.T, got, want []*store.Record) {
	t.Helper()
	seen := ids(got)
	want = slices.DeleteFunc(slices.Clone(want), func(rec *store.Record) bool {
		return rec.Ended.IsZero() && !slices.Contains(seen, rec.ID)
	})
	if !slices.Equal(seen, ids(want)) {
		t.Errorf("Sweep: visited %d records (%q), want %d in the order of Due (%q)", len(seen), seen, len(want), ids(want))
	}
}

// sweep: S1.
func sweep() []testcase {
	return []testcase{
		{"nothing to do", sweeper, func(t *testing.T, e *env) {
			if recs, n := visited(t, e.s, 10, nil); len(recs) != 0 || n != 0 {
				t.Errorf("an empty store: %d visited, %d removed", len(recs), n)
			}
			e.create(t, sample())
			if recs, n := visited(t, e.s, 10, nil); len(recs) != 0 || n != 0 {
				t.Errorf("a live record: %d visited, %d removed", len(recs), n)
			}
		}},
		{"ended", sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			a, b := e.end(t, e.create(t, sample())), e.endedAt(t, now.Add(-time.Hour))
			recs, n := visited(t, e.s, 10, nil)
			if len(recs) != 2 || n != 2 {
				t.Errorf("%d visited, %d removed, want 2 and 2", len(recs), n)
			}
			e.removed(t, a)
			e.removed(t, b)
		}},
		{"expired", sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			a, b := e.expiredAt(t, now.Add(-time.Minute)), e.expiredAt(t, now.Add(-time.Second))
			recs, n := visited(t, e.s, 10, nil)
			if n != len(recs) {
				t.Errorf("%d visited, %d removed", len(recs), n)
			}
			if n < 2 {
				t.Logf("storetest: %d of 2 expired records were visited, the engine may have dropped the rest", n)
			}
			e.removed(t, a)
			e.removed(t, b)
		}},
		{"at most n", sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			for i := range 7 {
				e.endedAt(t, now.Add(-time.Duration(i+1)*time.Minute))
			}
			for _, p := range []struct{ n, want int }{{0, 0}, {2, 2}, {1, 1}, {10, 4}, {10, 0}} {
				if recs, n := visited(t, e.s, p.n, nil); len(recs) != p.want || n != p.want {
					t.Errorf("Sweep of %d: %d visited, %d removed, want %d", p.n, len(recs), n, p.want)
				}
			}
		}},
		{"counts what it removed", sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			for i := range 6 {
				e.endedAt(t, now.Add(-time.Duration(i+1)*time.Minute))
			}
			i := 0
			recs, n := visited(t, e.s, 10, func(*store.Record) error {
				if i++; i%2 == 0 {
					return errNotYet
				}
				return nil
			})
			if len(recs) != 6 || n != 3 {
				t.Errorf("%d visited, %d removed, want 6 and 3", len(recs), n)
			}
		}},
		{"through the peer", sweeper, func(t *testing.T, e *env) {
			rec := e.end(t, e.create(t, sample()))
			if recs, n := visited(t, e.peer, 10, nil); len(recs) != 1 || n != 1 {
				t.Errorf("%d visited, %d removed, want 1 and 1", len(recs), n)
			}
			e.removed(t, rec)
		}},
		{"a visit that deletes", sweeper, func(t *testing.T, e *env) {
			rec := e.end(t, e.create(t, sample()))
			visited(t, e.s, 10, func(rec *store.Record) error { return e.s.Delete(t.Context(), rec.Handle, rec.Version) })
			e.removed(t, rec)
		}},
	}
}

// sweepOrder: S2.
func sweepOrder() []testcase {
	ago := func(now time.Time, minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	ordered := func(name string, create func(t *testing.T, e *env, i int, at time.Time) *store.Record) testcase {
		return testcase{name, sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			var want []*store.Record
			for i, minutes := range []int{4, 7, 2, 9, 1, 6} {
				want = append(want, create(t, e, i, ago(now, minutes)))
			}
			slices.SortFunc(want, func(a, b *store.Record) int { return a.Due().Compare(b.Due()) })
			got, _ := visited(t, e.s, 10, func(*store.Record) error { return errNotYet })
			e.inOrder(t, got, want)
			got, _ = visited(t, e.s, 2, nil)
			more, _ := visited(t, e.s, 2, nil)
			rest, _ := visited(t, e.s, 10, nil)
			e.inOrder(t, slices.Concat(got, more, rest), want)
		}}
	}
	return []testcase{
		ordered("ended by Updated", func(t *testing.T, e *env, i int, at time.Time) *store.Record {
			rec := sample()
			rec.Ended, rec.Updated = at.Add(-time.Duration(i)*time.Hour).Truncate(time.Microsecond), at.Truncate(time.Microsecond)
			return e.create(t, rec)
		}),
		ordered("ended by Ended, if that is later", func(t *testing.T, e *env, i int, at time.Time) *store.Record {
			rec := sample()
			rec.Ended, rec.Updated = at.Truncate(time.Microsecond), at.Add(-time.Duration(i)*time.Hour).Truncate(time.Microsecond)
			return e.create(t, rec)
		}),
		ordered("ended, whenever they expire", func(t *testing.T, e *env, i int, at time.Time) *store.Record {
			rec := sample()
			rec.Expires = at.Add(time.Duration(i%2*2-1) * 24 * time.Hour).Add(time.Duration(i) * time.Hour)
			rec.Ended, rec.Updated = at.Truncate(time.Microsecond), at.Truncate(time.Microsecond)
			return e.create(t, rec)
		}),
		ordered("expired", func(t *testing.T, e *env, _ int, at time.Time) *store.Record { return e.expiredAt(t, at) }),
		ordered("ended and expired", func(t *testing.T, e *env, i int, at time.Time) *store.Record {
			if i%2 == 0 {
				return e.expiredAt(t, at)
			}
			return e.endedAt(t, at)
		}),
		{"put again at the end", sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			a, b, c := e.endedAt(t, ago(now, 9)), e.endedAt(t, ago(now, 6)), e.endedAt(t, ago(now, 3))
			got, _ := visited(t, e.s, 1, func(rec *store.Record) error {
				rec.Updated = now.Truncate(time.Microsecond)
				if _, err := e.s.Put(t.Context(), rec.Handle, rec); err != nil {
					t.Errorf("Put in a visit: %v", err)
				}
				return errNotYet
			})
			e.inOrder(t, got, []*store.Record{a})
			got, _ = visited(t, e.s, 10, nil)
			e.inOrder(t, got, []*store.Record{b, c, a})
		}},
	}
}

// sweepKeeps: S3.
func sweepKeeps() []testcase {
	// A visit must not end its test: the store stands below it.
	during := func(name string, change func(ctx context.Context, e *env, rec *store.Record) (*store.Record, error)) testcase {
		return testcase{name, sweeper, func(t *testing.T, e *env) {
			rec := e.end(t, e.create(t, sample()))
			var next *store.Record
			_, n := visited(t, e.s, 10, func(*store.Record) (err error) {
				if next == nil {
					if next, err = change(t.Context(), e, rec.Clone()); err != nil {
						t.Errorf("in a visit: %v", err)
					}
				}
				return nil
			})
			if next == nil {
				t.Fatal("the record was not visited, or not changed meanwhile")
			}
			if n != 0 {
				t.Errorf("%d removed, want none", n)
			}
			e.holds(t, rec.Handle, next)
		}}
	}
	return []testcase{
		{"a visit that failed", sweeper, func(t *testing.T, e *env) {
			rec, dead := e.end(t, e.create(t, sample())), e.create(t, e.dead(t))
			for range 2 {
				if _, n := visited(t, e.s, 10, func(*store.Record) error { return errNotYet }); n != 0 {
					t.Errorf("%d removed, want none", n)
				}
				e.holds(t, rec.Handle, rec)
			}
			visited(t, e.s, 10, nil)
			e.removed(t, rec)
			e.removed(t, dead)
		}},
		during("written meanwhile", func(ctx context.Context, e *env, rec *store.Record) (*store.Record, error) {
			return e.s.Put(ctx, rec.Handle, rec)
		}),
		during("written by the peer meanwhile", func(ctx context.Context, e *env, rec *store.Record) (*store.Record, error) {
			return e.peer.Put(ctx, rec.Handle, rec)
		}),
		during("alive again", func(ctx context.Context, e *env, rec *store.Record) (*store.Record, error) {
			rec.Ended = time.Time{}
			return e.s.Put(ctx, rec.Handle, rec)
		}),
		during("replaced by a new one", func(ctx context.Context, e *env, rec *store.Record) (*store.Record, error) {
			return e.s.Put(ctx, rec.Handle, sample())
		}),
		during("deleted and created meanwhile", func(ctx context.Context, e *env, rec *store.Record) (*store.Record, error) {
			if err := e.s.Delete(ctx, rec.Handle, ""); err != nil {
				return nil, err
			}
			return e.s.Put(ctx, rec.Handle, sample())
		}),
	}
}
