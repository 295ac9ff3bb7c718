package storetest

import (
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// storeClock: G6.
func storeClock() []testcase {
	return []testcase{
		{"always or never", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			replaced := e.put(t, rec.Handle, rec)
			read := e.get(t, replaced.Handle)
			ended := e.end(t, read)
			none := ended.ReadAt.IsZero()
			for what, r := range map[string]*store.Record{"create": rec, "replace": replaced, "Get": read} {
				if r.ReadAt.IsZero() != none {
					t.Errorf("%s: ReadAt is %v, after ending %v", what, r.ReadAt, ended.ReadAt)
				}
			}
			if got, _ := e.s.Get(t.Context(), ended.Handle); got != nil && got.ReadAt.IsZero() != none {
				t.Errorf("Get of an ended record: ReadAt is %v", got.ReadAt)
			}
			if none {
				t.Log("storetest: the store has no clock (ReadAt is zero)")
			}
		}},
		{"not stored", 0, func(t *testing.T, e *env) {
			now := e.now(t)
			rec := sample()
			rec.ReadAt = day().AddDate(100, 0, 0)
			rec = e.create(t, rec)
			for _, at := range []time.Time{rec.ReadAt, e.get(t, rec.Handle).ReadAt} {
				if !at.IsZero() && at.Sub(now).Abs() > 24*time.Hour {
					t.Errorf("ReadAt is %v, but the store's clock tells %v", at, now)
				}
			}
		}},
		{"finer than a second", 0, func(t *testing.T, e *env) {
			h := e.create(t, sample()).Handle
			if e.get(t, h).ReadAt.IsZero() {
				return
			}
			for range 20 {
				if at := e.get(t, h).ReadAt; !at.Equal(at.Truncate(time.Second)) {
					return
				}
				if e.Advance != nil {
					e.Advance(t, e.s, 50*time.Millisecond)
				} else {
					time.Sleep(5 * time.Millisecond)
				}
			}
			t.Error("ReadAt never tells a fraction of a second")
		}},
		{"never decreasing", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			last := rec.ReadAt
			step := func(at time.Time) {
				t.Helper()
				if at.Before(last) {
					t.Fatalf("ReadAt went back from %v to %v", last, at)
				}
				last = at
			}
			for i := range 100 {
				step(e.get(t, rec.Handle).ReadAt)
				if i%10 == 0 {
					rec = e.put(t, rec.Handle, rec)
					step(rec.ReadAt)
				}
			}
		}},
		{"the same for the peer", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			last := rec.ReadAt
			for i := range 50 {
				s := e.s
				if i%2 == 0 {
					s = e.peer
				}
				at := read(t, s, rec.Handle).ReadAt
				if at.IsZero() != last.IsZero() || at.Before(last) {
					t.Fatalf("ReadAt is %v for one process and then %v for another", last, at)
				}
				last = at
			}
		}},
		{"advances", advance, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			if rec.ReadAt.IsZero() {
				return
			}
			e.Advance(t, e.s, time.Hour)
			if d := e.get(t, rec.Handle).ReadAt.Sub(rec.ReadAt); d < time.Hour || d > 2*time.Hour {
				t.Errorf("Harness.Advance by an hour moved ReadAt by %v", d)
			}
		}},
		{"judges expiry", 0, func(t *testing.T, e *env) {
			// Close around the store's now: a store that judges by another clock gets one of them wrong.
			now := e.create(t, &store.Record{ID: "clock"}).ReadAt
			if now.IsZero() {
				return
			}
			past, soon := sample(), sample()
			past.Expires, soon.Expires = now.Add(-time.Millisecond), now.Add(time.Minute)
			past, soon = e.create(t, past), e.create(t, soon)
			clients := []store.TokenStore{e.s}
			if !e.Stateless {
				clients = append(clients, e.peer)
			}
			for _, s := range clients {
				_, err := s.Get(t.Context(), past.Handle)
				fails(t, "Get of what expired a millisecond ago", err, "ErrNotFound")
				_, err = s.Get(t.Context(), soon.Handle)
				fails(t, "Get of what expires in a minute", err, "nil")
			}
		}},
	}
}
