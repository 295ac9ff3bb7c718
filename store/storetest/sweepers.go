package storetest

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// sweepSpares: S4.
func sweepSpares() []testcase {
	return []testcase{
		{"live", sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			var live []*store.Record
			for _, edit := range []func(rec *store.Record){
				func(*store.Record) {},
				func(rec *store.Record) { *rec = store.Record{ID: rec.ID} },
				func(rec *store.Record) { rec.Token.Expiry, rec.Token.RefreshExpiry = day(), day() },
				func(rec *store.Record) { rec.Expires = now.Add(time.Hour).Truncate(time.Microsecond) },
				func(rec *store.Record) {
					rec.Expires = now.Add(time.Hour).Truncate(time.Microsecond).In(time.FixedZone("behind", -12*60*60))
				},
			} {
				rec := sample()
				edit(rec)
				live = append(live, e.create(t, rec))
			}
			e.endedAt(t, now.Add(-time.Minute))
			recs, _ := visited(t, e.s, 100, nil)
			for _, rec := range live {
				if slices.Contains(ids(recs), rec.ID) {
					t.Error("a live record was visited")
				}
				e.holds(t, rec.Handle, rec)
			}
		}},
		{"alive again", sweeper, func(t *testing.T, e *env) {
			ended, dead := e.end(t, e.create(t, sample())), e.create(t, e.dead(t))
			for _, rec := range []*store.Record{ended, dead} {
				next := e.reborn(t, rec)
				recs, _ := visited(t, e.s, 100, nil)
				if slices.Contains(ids(recs), next.ID) {
					t.Error("a live record was visited")
				}
				e.holds(t, rec.Handle, next)
			}
		}},
		{"alive again during another's visit", sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			a, b := e.endedAt(t, now.Add(-time.Hour)), e.endedAt(t, now.Add(-time.Minute))
			var alive *store.Record
			recs, _ := visited(t, e.s, 10, func(rec *store.Record) (err error) {
				if alive != nil {
					return nil
				}
				alive = b.Clone()
				if rec.ID == b.ID {
					alive = a.Clone()
				}
				alive.Ended = time.Time{}
				if alive, err = e.s.Put(t.Context(), alive.Handle, alive); err != nil {
					t.Errorf("Put in a visit: %v", err)
				}
				return err
			})
			if alive == nil {
				t.Fatal("nothing was visited, or could be put meanwhile")
			}
			if slices.Contains(ids(recs), alive.ID) {
				t.Error("a live record was visited: what was found earlier has to be read again")
			}
			e.holds(t, alive.Handle, alive)
		}},
		{"ended long before it is swept", sweeper, func(t *testing.T, e *env) {
			// Ended and expired years ago; held since its last update.
			now := e.now(t)
			rec := sample()
			rec.Expires, rec.Ended = now.AddDate(-1, 0, 0).Truncate(time.Microsecond), now.AddDate(-2, 0, 0).Truncate(time.Microsecond)
			rec.Updated = now.AddDate(0, 0, -20).Truncate(time.Microsecond)
			rec = e.create(t, rec)
			for range 10 { // what makes room for others
				e.create(t, sample())
			}
			e.holds(t, rec.Handle, rec)
			recs, _ := visited(t, e.s, 100, nil)
			e.inOrder(t, recs, []*store.Record{rec})
		}},
		{"held for 30 days", sweeper | advance, func(t *testing.T, e *env) {
			rec := sample()
			rec.Expires = e.now(t).Add(time.Hour).Truncate(time.Microsecond)
			rec = e.end(t, e.create(t, rec))
			e.Advance(t, e.s, 29*24*time.Hour)
			for range 10 {
				e.create(t, sample())
			}
			e.holds(t, rec.Handle, rec)
			recs, _ := visited(t, e.s, 100, nil)
			e.inOrder(t, recs, []*store.Record{rec})
		}},
		{"expired by the clock", sweeper | advance, func(t *testing.T, e *env) {
			rec := sample()
			rec.Expires = e.now(t).Add(time.Hour).Truncate(time.Microsecond)
			rec = e.create(t, rec)
			if recs, _ := visited(t, e.s, 100, nil); len(recs) != 0 {
				t.Error("a live record was visited")
			}
			e.Advance(t, e.s, time.Hour+time.Minute)
			visited(t, e.s, 100, nil)
			e.removed(t, rec)
		}},
	}
}

// reborn replaces the dead record with a live one, by version if it ended and by creating if it expired.
func (e *env) reborn(t *testing.T, rec *store.Record) *store.Record {
	t.Helper()
	if rec.Ended.IsZero() {
		return e.put(t, rec.Handle, sample())
	}
	rec = rec.Clone()
	rec.Ended = time.Time{}
	return e.put(t, rec.Handle, rec)
}

// sweepers: S5.
func sweepers() []testcase {
	return []testcase{
		{"each record is removed once", sweeper, func(t *testing.T, e *env) {
			const dead = 40
			now := e.now(t)
			for i := range dead {
				e.endedAt(t, now.Add(-time.Duration(i)*time.Second))
			}
			var total int
			for _, n := range race(e, 4, func(_ int, s store.TokenStore) int {
				_, n := visited(t, s, dead, func(*store.Record) error {
					runtime.Gosched() // so that they meet
					return nil
				})
				return n
			}) {
				total += n
			}
			if total != dead {
				t.Errorf("four sweepers removed %d records, there were %d", total, dead)
			}
			if recs, _ := visited(t, e.s, 100, nil); len(recs) != 0 {
				t.Errorf("%d are left", len(recs))
			}
		}},
		{"a sweep during a visit", sweeper, func(t *testing.T, e *env) {
			now := e.now(t)
			a, b := e.endedAt(t, now.Add(-time.Hour)), e.endedAt(t, now.Add(-time.Minute))
			var inner int
			_, outer := visited(t, e.s, 1, func(*store.Record) error {
				_, inner = visited(t, e.peer, 10, nil)
				return nil
			})
			if inner != 2 || outer != 0 {
				t.Errorf("the inner sweep removed %d and the outer one %d, want 2 and 0", inner, outer)
			}
			e.removed(t, a)
			e.removed(t, b)
		}},
		{"beside reads and writes", sweeper, func(t *testing.T, e *env) {
			first := sample()
			first.Generation = 0
			h := e.create(t, first).Handle
			now := e.now(t)
			const workers, each = 4, 5
			for _, err := range race(e, workers+4, func(i int, s store.TokenStore) error {
				if i < workers {
					return count(t, s, h, each)
				}
				for j := range each {
					rec := sample()
					rec.Ended = now.Add(-time.Duration(j) * time.Minute).Truncate(time.Microsecond)
					if _, err := s.Put(t.Context(), store.NewCredential("session"), rec); err != nil {
						return err
					}
					visited(t, s, 3, nil)
				}
				return nil
			}) {
				if err != nil {
					t.Error(err)
				}
			}
			if got := e.get(t, h).Generation; got != workers*each {
				t.Errorf("%d updates were acknowledged, %d are stored", workers*each, got)
			}
			for range 10 {
				visited(t, e.s, 10, nil)
			}
			if recs, _ := visited(t, e.s, 10, nil); len(recs) != 0 {
				t.Errorf("%d are left", len(recs))
			}
		}},
		{"refreshed while swept", sweeper, func(t *testing.T, e *env) {
			// Either the sweeper removes the ended record or the writer replaces it, never both.
			for range 10 {
				rec := e.endedAt(t, e.now(t).Add(-time.Minute))
				next := rec.Clone()
				next.Ended = time.Time{}
				answers := race(e, 2, func(i int, s store.TokenStore) answer {
					if i == 0 {
						visited(t, s, 10, nil)
						return answer{}
					}
					return putAnswer(t.Context(), s, rec.Handle, next)
				})
				if put := answers[1]; put.err == nil {
					e.holds(t, rec.Handle, put.rec)
				} else {
					fails(t, "Put beside a sweep", put.err, "ErrNotFound")
					e.absent(t, rec.Handle)
				}
			}
		}},
	}
}

// sweepVisits: S6.
func sweepVisits() []testcase {
	return []testcase{
		{"the record as stored", sweeper, func(t *testing.T, e *env) {
			want := e.end(t, e.create(t, sample()))
			recs, _ := visited(t, e.s, 10, nil)
			if len(recs) != 1 {
				t.Fatalf("%d visited, want 1", len(recs))
			}
			asStored(t, want, recs[0])
		}},
		{"a visit calls the store", sweeper, func(t *testing.T, e *env) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			rec, other := e.end(t, e.create(t, sample())), e.create(t, sample())
			n, err := e.s.(store.Sweeper).Sweep(ctx, 10, func(_ context.Context, rec *store.Record) error {
				got, err := e.s.Get(ctx, rec.Handle)
				fails(t, "Get in a visit", err, "ErrEnded")
				if got != nil && got.ID != rec.ID {
					t.Error("Get in a visit: another record")
				}
				other, err = e.s.Put(ctx, other.Handle, other)
				fails(t, "Put of another record in a visit", err, "nil")
				_, err = e.s.Put(ctx, store.NewCredential("session"), sample())
				fails(t, "Put that creates in a visit", err, "nil")
				fails(t, "Delete in a visit", e.s.Delete(ctx, store.NewCredential("session"), ""), "nil")
				if l, ok := e.s.(store.Lister); ok {
					_, _, err = l.List(ctx, rec.Subject, "", 10)
					fails(t, "List in a visit", err, "nil")
				}
				return nil
			})
			if err != nil || n != 1 {
				t.Errorf("Sweep: %d removed, %v", n, err)
			}
			e.removed(t, rec)
		}},
	}
}
