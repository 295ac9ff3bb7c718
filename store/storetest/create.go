package storetest

import (
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

const racers = 200 // 100 goroutines at each of two peers

// create: C1.
func create() []testcase {
	over := func(name string, edit func(rec *store.Record, now time.Time)) testcase {
		return testcase{name, server, func(t *testing.T, e *env) {
			rec := sample()
			edit(rec, e.now(t))
			rec = e.create(t, rec)
			for _, s := range []store.TokenStore{e.s, e.peer} {
				_, err := s.Put(t.Context(), rec.Handle, sample())
				fails(t, "Put without a version over a live record", err, "ErrExists")
			}
			e.holds(t, rec.Handle, rec)
		}}
	}
	return []testcase{
		{"creates", server, func(t *testing.T, e *env) {
			rec := sample()
			h := e.fresh()
			got := e.put(t, h, rec)
			if got.Version == "" {
				t.Error("Put: no version")
			}
			e.holds(t, h, got)
		}},
		over("over live", func(*store.Record, time.Time) {}),
		over("over live that will expire", func(rec *store.Record, now time.Time) { rec.Expires = now.Add(time.Hour) }),
		over("over live with dead tokens", func(rec *store.Record, now time.Time) {
			rec.Token.Expiry, rec.Token.RefreshExpiry = now.Add(-time.Hour), now.Add(-time.Minute)
		}),
		{"after delete", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.delete(t, rec.Handle, "")
			e.holds(t, rec.Handle, e.put(t, rec.Handle, sample()))
		}},
	}
}

// createOverDead: C2.
func createOverDead() []testcase {
	over := func(name string, prepare func(t *testing.T, e *env) *store.Record) testcase {
		return testcase{name, server, func(t *testing.T, e *env) {
			old := prepare(t, e)
			next := e.put(t, old.Handle, &store.Record{ID: "next"}) // and nothing of the old one shines through
			if next.Version == old.Version {
				t.Error("the new record has the old one's version")
			}
			e.holdsAll(t, old.Handle, &store.Record{ID: "next"})
			old.Generation++
			_, err := e.s.Put(t.Context(), old.Handle, old)
			fails(t, "a late Put at the old version", err, "ErrConflict")
			_, err = e.s.Put(t.Context(), old.Handle, sample())
			fails(t, "another create", err, "ErrExists")
			e.holds(t, old.Handle, next)
		}}
	}
	expired := func(t *testing.T, e *env) *store.Record { return e.create(t, e.dead(t)) }
	return []testcase{
		over("expired", expired),
		over("ended", func(t *testing.T, e *env) *store.Record { return e.end(t, e.create(t, sample())) }),
		over("ended and expired", func(t *testing.T, e *env) *store.Record { return e.end(t, expired(t, e)) }),
		over("created as ended", func(t *testing.T, e *env) *store.Record {
			rec := sample()
			rec.Ended = e.now(t).Truncate(time.Microsecond)
			return e.create(t, rec)
		}),
		{"expired by the clock", advance | server, func(t *testing.T, e *env) {
			rec := sample()
			rec.Expires = e.now(t).Add(time.Hour)
			rec = e.create(t, rec)
			e.Advance(t, e.s, time.Hour+time.Second)
			e.holds(t, rec.Handle, e.put(t, rec.Handle, sample()))
		}},
	}
}

// concurrentCreate: C3.
func concurrentCreate() []testcase {
	storm := func(name string, prepare func(t *testing.T, e *env) store.Handle) testcase {
		return testcase{name, server, func(t *testing.T, e *env) {
			rounds(1, func() {
				h, recs := prepare(t, e), samples(racers, "")
				winner := won(t, race(e, racers, func(i int, s store.TokenStore) answer {
					return putAnswer(t.Context(), s, h, recs[i])
				}), "ErrExists")
				e.holds(t, h, winner)
			})
		}}
	}
	return []testcase{
		storm("absent", func(_ *testing.T, e *env) store.Handle { return e.fresh() }),
		storm("over expired", func(t *testing.T, e *env) store.Handle { return e.create(t, e.dead(t)).Handle }),
		storm("over ended", func(t *testing.T, e *env) store.Handle { return e.end(t, e.create(t, sample())).Handle }),
		storm("after delete", func(t *testing.T, e *env) store.Handle {
			rec := e.create(t, sample())
			e.delete(t, rec.Handle, rec.Version)
			return rec.Handle
		}),
	}
}
