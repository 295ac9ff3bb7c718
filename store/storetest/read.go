package storetest

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// linearizable: G1.
func linearizable() []testcase {
	return []testcase{
		{"own writes", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			for range 5 {
				rec.Generation++
				rec = e.put(t, rec.Handle, rec)
				e.holds(t, rec.Handle, rec)
			}
		}},
		{"the peer's writes", server, func(t *testing.T, e *env) {
			h := e.fresh()
			for range 20 {
				missing(t, e.peer, h)
				rec := e.put(t, h, sample())
				if got := read(t, e.peer, h); got.Version != rec.Version {
					t.Errorf("the peer reads version %q, want %q", got.Version, rec.Version)
				}
				rec.Generation++
				rec = written(t, e.peer, h, rec)
				e.holds(t, h, rec)
				if err := e.peer.Delete(t.Context(), h, rec.Version); err != nil {
					t.Fatal(err)
				}
				e.absent(t, h)
			}
		}},
		{"the peer's end", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			read(t, e.peer, rec.Handle)
			e.end(t, rec)
			_, err := e.peer.Get(t.Context(), rec.Handle)
			fails(t, "the peer's Get", err, "ErrEnded")
		}},
		{"readers beside a writer", server, func(t *testing.T, e *env) {
			h := e.create(t, &store.Record{ID: "written"}).Handle
			var acked atomic.Uint64
			written := make(chan struct{})
			for _, err := range race(e, 5, func(i int, s store.TokenStore) error {
				if i == 0 {
					defer close(written)
					return writeOn(t, s, h, 30, &acked)
				}
				return readOn(t, s, h, written, &acked)
			}) {
				if err != nil {
					t.Error(err)
				}
			}
		}},
	}
}

// writeOn counts the generation up to n and tells acked what was acknowledged.
func writeOn(t *testing.T, s store.TokenStore, h store.Handle, n uint64, acked *atomic.Uint64) error {
	rec, err := s.Get(t.Context(), h)
	for err == nil && rec.Generation < n {
		rec.Generation++
		if rec, err = s.Put(t.Context(), h, rec); err == nil {
			acked.Store(rec.Generation)
		}
	}
	return err
}

// readOn reads until all is written; no read may be older than what was acknowledged before it began.
func readOn(t *testing.T, s store.TokenStore, h store.Handle, written <-chan struct{}, acked *atomic.Uint64) error {
	for {
		before := acked.Load()
		rec, err := s.Get(t.Context(), h)
		switch {
		case err != nil:
			return fmt.Errorf("Get beside a writer: %w", err)
		case rec.Generation < before:
			return fmt.Errorf("Get: generation %d, though %d was acknowledged before", rec.Generation, before)
		}
		select {
		case <-written:
			return nil
		default:
			runtime.Gosched() // the writer's turn
		}
	}
}

// expiry: G2.
func expiry() []testcase {
	hidden := func(name string, expires func(now time.Time) time.Time) testcase {
		return testcase{name, 0, func(t *testing.T, e *env) {
			rec := sample()
			rec.Expires = expires(e.now(t))
			h := e.create(t, rec).Handle
			e.absent(t, h)
			if !e.Stateless {
				missing(t, e.peer, h)
			}
		}}
	}
	shown := func(name string, edit func(rec *store.Record, now time.Time)) testcase {
		return testcase{name, 0, func(t *testing.T, e *env) {
			rec := sample()
			edit(rec, e.now(t))
			rec = e.create(t, rec)
			e.holds(t, rec.Handle, rec)
		}}
	}
	return []testcase{
		{"absent", server, func(t *testing.T, e *env) {
			e.absent(t, e.fresh())
			e.absent(t, store.NewCredential("session"))
		}},
		{"absent text", stateless, func(t *testing.T, e *env) { e.absent(t, store.NewCredential("session")) }},
		hidden("expired", func(now time.Time) time.Time { return now.Add(-time.Second) }),
		hidden("expired just now", func(now time.Time) time.Time { return now.Truncate(time.Microsecond) }),
		hidden("expired long ago", func(now time.Time) time.Time { return now.AddDate(-2, 0, 0) }),
		hidden("expired, in a zone ahead", func(now time.Time) time.Time {
			return now.Add(-time.Second).In(time.FixedZone("ahead", 14*60*60))
		}),
		shown("never expires", func(rec *store.Record, _ time.Time) { rec.Expires = time.Time{} }),
		shown("expires in an hour", func(rec *store.Record, now time.Time) {
			rec.Expires = now.Add(time.Hour).Truncate(time.Microsecond)
		}),
		shown("expires in an hour, in a zone behind", func(rec *store.Record, now time.Time) {
			rec.Expires = now.Add(time.Hour).Truncate(time.Microsecond).In(time.FixedZone("behind", -12*60*60))
		}),
		shown("expires in centuries", func(rec *store.Record, now time.Time) {
			rec.Expires = now.AddDate(300, 0, 0).Truncate(time.Microsecond)
		}),
		shown("dead access token", func(rec *store.Record, now time.Time) {
			rec.Token.Expiry = now.Add(-time.Hour).Truncate(time.Microsecond)
		}),
		shown("dead refresh token", func(rec *store.Record, now time.Time) {
			rec.Token.RefreshExpiry = now.Add(-time.Hour).Truncate(time.Microsecond)
		}),
		shown("old record", func(rec *store.Record, now time.Time) {
			rec.Created, rec.Updated = now.AddDate(-20, 0, 0).Truncate(time.Microsecond), time.Time{}
		}),
		{"from Expires on", 0, func(t *testing.T, e *env) { expireByClock(t, e) }},
		{"put off", 0, func(t *testing.T, e *env) {
			rec := sample()
			rec.Expires = e.now(t).Add(time.Hour).Truncate(time.Microsecond)
			rec = e.create(t, rec)
			rec.Expires = rec.Expires.Add(time.Hour)
			rec = e.put(t, rec.Handle, rec)
			if e.Advance != nil {
				e.Advance(t, e.s, 90*time.Minute)
			}
			e.holds(t, rec.Handle, rec)
		}},
		{"brought forward", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			rec.Expires = e.now(t).Add(-time.Second)
			e.absent(t, e.put(t, rec.Handle, rec).Handle)
		}},
	}
}

// expireByClock watches a record live and expire. No read may return it at a ReadAt from which on it is expired.
func expireByClock(t *testing.T, e *env) {
	t.Helper()
	life := 250 * time.Millisecond
	if e.Advance != nil {
		life = time.Hour
	}
	rec := sample()
	rec.Expires = e.now(t).Add(life).Truncate(time.Microsecond)
	rec = e.create(t, rec)
	e.holds(t, rec.Handle, rec)
	if e.Advance != nil {
		e.Advance(t, e.s, life-time.Minute)
		e.holds(t, rec.Handle, rec)
		e.Advance(t, e.s, time.Minute)
		e.absent(t, rec.Handle)
		return
	}
	began := time.Now()
	for {
		got, err := e.s.Get(t.Context(), rec.Handle)
		if err != nil {
			fails(t, "Get", err, "ErrNotFound")
			break
		}
		if got.Expired(got.ReadAt) {
			t.Fatalf("Get: a record that expired at %v, read at %v", rec.Expires, got.ReadAt)
		}
		if time.Since(began) > life+5*time.Second {
			t.Fatalf("Get: the record is still there after %v, it lives for %v", time.Since(began), life)
		}
		time.Sleep(life / 20)
	}
	if early := life - time.Since(began); early > life/2 {
		t.Errorf("the record expired %v before its time", early)
	}
	e.absent(t, rec.Handle)
}

// ended: G3.
func ended() []testcase {
	reported := func(name string, needs need, prepare func(t *testing.T, e *env) *store.Record) testcase {
		return testcase{name, needs, func(t *testing.T, e *env) {
			rec := prepare(t, e)
			clients := []store.TokenStore{e.s}
			if !e.Stateless {
				clients = append(clients, e.peer)
			}
			for _, s := range clients {
				got, err := s.Get(t.Context(), rec.Handle)
				fails(t, "Get of an ended record", err, "ErrEnded")
				if got == nil {
					t.Fatal("Get of an ended record: no record")
				}
				for _, d := range differences(brief(rec), brief(got)) {
					t.Error("Get of an ended record: " + d)
				}
				if !got.Ended.Equal(rec.Ended) {
					t.Errorf("Get of an ended record: Ended is %v, want %v", got.Ended, rec.Ended)
				}
				if !e.Stateless && got.Version != rec.Version {
					t.Errorf("Get of an ended record: version %q, want %q", got.Version, rec.Version)
				}
			}
		}}
	}
	return []testcase{
		reported("with its record", 0, func(t *testing.T, e *env) *store.Record { return e.end(t, e.create(t, sample())) }),
		reported("created as ended", 0, func(t *testing.T, e *env) *store.Record {
			rec := sample()
			rec.Ended = e.now(t).Truncate(time.Microsecond)
			return e.create(t, rec)
		}),
		reported("also expired", 0, func(t *testing.T, e *env) *store.Record {
			rec := e.dead(t)
			rec.Ended = rec.Expires.Add(-time.Minute)
			rec.Updated = rec.Ended
			return e.create(t, rec)
		}),
		reported("ended after it expired", server, func(t *testing.T, e *env) *store.Record {
			return e.end(t, e.create(t, e.dead(t)))
		}),
		reported("expired since", advance, func(t *testing.T, e *env) *store.Record {
			rec := sample()
			rec.Expires = e.now(t).Add(time.Hour).Truncate(time.Microsecond)
			rec = e.end(t, e.create(t, rec))
			e.Advance(t, e.s, 2*time.Hour)
			return rec
		}),
		{"until it is removed", server, func(t *testing.T, e *env) {
			rec := e.end(t, e.create(t, sample()))
			e.delete(t, rec.Handle, rec.Version)
			e.absent(t, rec.Handle)
		}},
	}
}
