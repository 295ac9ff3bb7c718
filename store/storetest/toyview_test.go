package storetest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/storetest"
)

// showing is the toy as a store.Viewer, with one bug at most.
type showing struct {
	*toy
	wrong string
	seen  sync.Map // sum -> *store.Record
}

func (s *showing) View(ctx context.Context, h store.Handle) (*store.Record, time.Time) {
	if rec, ok := s.seen.Load(h.Sum()); ok {
		switch s.wrong {
		case "a view outlives its record":
			return rec.(*store.Record), time.Time{}
		case "a view outlives its expiry":
			if now, err := s.Get(ctx, h); err != nil && now == nil && s.there(h) || now != nil && now.Version == rec.(*store.Record).Version {
				return rec.(*store.Record), time.Time{}
			}
		case "a view asks no context":
			ctx = context.WithoutCancel(ctx)
		}
	}
	if s.wrong == "a view is the clock's" {
		defer time.Sleep(time.Millisecond)
	}
	rec, err := s.Get(ctx, h)
	if err != nil && (s.wrong != "an ended record is shown" || rec == nil) {
		return nil, time.Time{}
	}
	if s.wrong != "a view reveals its handle" {
		rec.Handle = store.Hashed(h.Sum())
	}
	switch s.wrong {
	case "nothing is shown":
		return nil, time.Time{}
	case "a view lacks the version":
		rec.Version = ""
	case "a view is the clock's":
		return rec, time.Now().Add(-time.Hour)
	case "a view is written over":
		if old, ok := s.seen.Load(h.Sum()); ok {
			*old.(*store.Record) = *rec
			rec = old.(*store.Record)
		}
	}
	s.seen.Store(h.Sum(), rec)
	return rec, time.Time{}
}

// there says whether the row still is, expired or not.
func (s *showing) there(h store.Handle) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[s.key(h)] != nil
}

func (s *showing) Viewed() store.TokenStore {
	if s.wrong == "a view is another store's" {
		return s.toy
	}
	return s
}

// viewDefects are the ways in which showing can be broken.
var viewDefects = []defect{
	{"nothing is shown", "W1", "W2 W3"},
	{"a view reveals its handle", "W1", ""},
	{"a view lacks the version", "W1", "W2"},
	{"a view asks no context", "W1", ""},
	{"an ended record is shown", "W1", ""},
	{"a view is the clock's", "W1", "W2 W3"},
	{"a view is another store's", "W1", ""},
	{"a view outlives its record", "W2", "W1 W3"},
	{"a view outlives its expiry", "W2", "W1"},
	{"a view is written over", "W3", "W2"},
}

func showingHarness(bug string) storetest.Harness {
	h := toyHarness("")
	h.Open = func(t *testing.T) store.TokenStore { return &showing{toy: newToy(t, ""), wrong: bug} }
	inner := func(s store.TokenStore) store.TokenStore {
		if v, ok := s.(*showing); ok {
			return v.toy
		}
		return s
	}
	peer, move, raw, edit, broken := h.Peer, h.Advance, h.Raw, h.Edit, h.Break
	h.Peer = func(t *testing.T, s store.TokenStore) store.TokenStore { return peer(t, inner(s)) }
	h.Advance = func(t *testing.T, s store.TokenStore, d time.Duration) { move(t, inner(s), d) }
	h.Raw = func(t *testing.T, s store.TokenStore) []byte { return raw(t, inner(s)) }
	h.Edit = func(t *testing.T, s store.TokenStore, handle store.Handle, change func([]byte) []byte) {
		edit(t, inner(s), handle, change)
	}
	h.Break = func(t *testing.T, s store.TokenStore) { broken(t, inner(s)) }
	return h
}

func TestUnbrokenViewer(t *testing.T) {
	t.Parallel()
	storetest.Run(t, showingHarness(""))
}
