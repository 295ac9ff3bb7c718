package keeper_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// A session that shares a grant, in the modes whose errors carry a record: it is the session's, with the grant's token.
func TestSharedGrantInErrors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		key := store.Key("ulule", "alice")
		for _, mode := range []keeper.Mode{keeper.Manual, keeper.Signal} {
			w := newWorld(t, &keeper.Options{Mode: mode})
			if _, err := w.keep.Start(t.Context(), key, &store.Record{Subject: "alice", Token: firstToken(time.Second)}); err != nil {
				t.Fatal(err)
			}
			session, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Grant: key})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			_, err = w.keep.Get(t.Context(), session.Handle)
			var expired *keeper.ExpiredError
			var updated *keeper.UpdatedError
			switch {
			case mode == keeper.Manual && errors.As(err, &expired):
				if r := expired.Record; r.ID != session.ID || r.Token.AccessToken != "access-0" {
					t.Errorf("expired: %v with %s", r, r.Token.AccessToken)
				}
			case mode == keeper.Signal && errors.As(err, &updated):
				if r := updated.Record; r.ID != session.ID || r.Handle != session.Handle || r.Token.AccessToken != "access-1" {
					t.Errorf("updated: %v with %s", r, r.Token.AccessToken)
				}
			default:
				t.Errorf("mode %d: %v", mode, err)
			}
		}
	})
}

// One hop is followed and no more.
func TestSharedGrantHasOneHop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		if _, err := w.keep.Start(t.Context(), store.Key("a"), &store.Record{Grant: store.Key("b")}); err != nil {
			t.Fatal(err)
		}
		session, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Grant: store.Key("a")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.keep.Get(t.Context(), session.Handle); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("two hops: %v", err)
		}
	})
}

// The grant that a session shares is not there, and says so as the session's own end does.
func TestSharedGrantIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		session, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Grant: store.Key("nobody")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.keep.Get(t.Context(), session.Handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

// Callers that found the record by different handles wait for one refresh; each gets its own handle back.
func TestOneRefreshForTwoHandles(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.p.delay = time.Second
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		for _, h := range []store.Handle{store.Hashed(rec.Handle.Sum()), rec.Handle} {
			wg.Go(func() {
				if got := w.get(h); got.Handle != h || got.Generation != 1 {
					t.Errorf("asked by %v, got %v", h, got.Handle)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		w.wantCalls(1)
	})
}
