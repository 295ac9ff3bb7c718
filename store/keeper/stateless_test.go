package keeper_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// cookieWorld is a world whose records are in cookies; how says how its replicas are coordinated.
func cookieWorld(t *testing.T, ring *seal.Ring, how cookiestore.Replicas) *world {
	t.Helper()
	tokens, err := cookiestore.New(ring, how)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, p: &provider{live: "refresh-0", life: time.Hour}, tokens: tokens}
	w.keep = w.newKeeper(tokens, nil)
	return w
}

func newRing(t *testing.T) *seal.Ring {
	t.Helper()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestCookieIsRewrittenByARefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		rec := w.start(time.Second)
		if got := w.get(rec.Handle); got.Handle != rec.Handle {
			t.Error("the cookie changed although nothing did")
		}
		time.Sleep(2 * time.Second)
		got := w.get(rec.Handle)
		if got.Handle == rec.Handle || got.Token.AccessToken != "access-1" || got.ID != rec.ID {
			t.Fatalf("got %v", got)
		}
		if again := w.get(got.Handle); again.Handle != got.Handle {
			t.Error("the new cookie is rewritten again")
		}
		w.wantCalls(1)
	})
}

// A lost response, or a tab that still has the old cookie: it gets what its successor got, for any number of steps.
func TestStaleCookieGetsTheNewestToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		first := w.start(time.Second)
		w.p.life = time.Second
		last := first
		for range 3 {
			time.Sleep(2 * time.Second)
			last = w.get(last.Handle)
		}
		w.wantCalls(3)
		if got := w.get(first.Handle); got.Generation != 3 || got.Token.AccessToken != "access-3" {
			t.Errorf("the first cookie got %v", got)
		}
		w.wantCalls(3)
	})
}

func TestCookieStormOnReplicas(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		shared, err := memstore.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		ring := newRing(t)
		w := cookieWorld(t, ring, cookiestore.Coordinator(shared))
		w.p.delay = 200 * time.Millisecond
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		for range 4 {
			replica, err := cookiestore.New(ring, cookiestore.Coordinator(shared))
			if err != nil {
				t.Fatal(err)
			}
			keep := w.newKeeper(replica, nil)
			for range 50 {
				wg.Go(func() {
					if got, err := keep.Get(t.Context(), rec.Handle); err != nil || got.Token.AccessToken != "access-1" {
						t.Errorf("got %v, %v", got, err)
					}
				})
			}
		}
		wg.Wait()
		w.wantCalls(1)
	})
}

func TestCookieLogoutHoldsForCopies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		stolen := w.start(time.Hour)
		if err := w.keep.End(t.Context(), stolen.Handle); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for range 3 {
			if _, err := w.keep.Verify(t.Context(), stolen.Handle.Reveal()); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a copy of the cookie got %v", err)
			}
			if n, err := w.keep.Sweep(t.Context(), 10); n != 0 || err != nil {
				t.Errorf("dropped %d, %v; want it held", n, err)
			}
			time.Sleep(24 * time.Hour)
		}
		if len(w.p.revoked) != 1 || w.p.revoked[0] != "refresh-0" {
			t.Errorf("revoked %q", w.p.revoked)
		}
		if err := w.keep.End(t.Context(), stolen.Handle); err != nil {
			t.Error("ending twice:", err)
		}
	})
}

func TestCookieLogoutBeatsRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		w.p.delay = time.Second
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the refresher got %v", err)
			}
		})
		time.Sleep(500 * time.Millisecond)
		if err := w.keep.End(t.Context(), rec.Handle); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session came back: %v", err)
		}
	})
}

// A request finds nothing at the coordinator, the logout of the same cookie is acknowledged, and then the request writes:
// the session stays ended, for the request and for all that follow.
func TestCookieLogoutBeatsAFirstWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		shared, err := memstore.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		ring, slow := newRing(t), true
		w := cookieWorld(t, ring, cookiestore.Coordinator(shared))
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		late, err := cookiestore.New(ring, cookiestore.Coordinator(&tamper{TokenStore: shared, get: func(do func() (*store.Record, error)) (*store.Record, error) {
			rec, err := do()
			if slow {
				slow = false
				time.Sleep(time.Second)
			}
			return rec, err
		}}))
		if err != nil {
			t.Fatal(err)
		}
		replica := w.newKeeper(late, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := replica.Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the request got %v", err)
			}
		})
		synctest.Wait()
		if err := w.keep.End(t.Context(), rec.Handle); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session came back: %v", err)
		}
		w.wantCalls(0)
	})
}

// A session is prolonged while it is used: what the coordinator knows of it lives as long, so that a stale cookie does
// not spend an old refresh token a day later.
func TestCoordinatorRemembersAProlongedSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		rec, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{
			Subject: "alice", Token: firstToken(time.Second), Expires: time.Now().Add(24*time.Hour + 5*time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
		use := func() *store.Record {
			t.Helper()
			time.Sleep(90 * time.Minute)
			rec, err = w.keep.Update(t.Context(), w.get(rec.Handle).Handle, func(r *store.Record) error {
				r.Expires = time.Now().Add(24 * time.Hour)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return rec
		}
		for range 14 {
			use()
		}
		before := use() // 22.5 hours after the login
		use()           // 24 hours: the record would expire in five minutes, had nobody prolonged it
		if got := w.get(before.Handle); got.Generation != rec.Generation {
			t.Errorf("the cookie before got %v, want what is newest, %v", got, rec)
		}
		time.Sleep(10 * time.Minute)
		if got := w.get(before.Handle); got.Generation != rec.Generation {
			t.Errorf("the cookie before got %v, want what is newest, %v", got, rec)
		}
		w.wantCalls(16)
	})
}

// The provider does not take the revocation when the cookie is signed out: Sweep pays it, and the logout still holds.
func TestCookieLogoutIsPaidLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		rec := w.start(time.Hour)
		w.p.revoke = errors.New("down")
		if err := w.keep.End(t.Context(), rec.Handle); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.p.revoke = nil
		if n, err := w.keep.Sweep(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("Sweep: %d, %v", n, err)
		}
		if len(w.p.revoked) != 1 || w.p.revoked[0] != "refresh-0" {
			t.Errorf("revoked %q", w.p.revoked)
		}
		if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the debt is paid: %v", err)
		}
	})
}

// A session is prolonged after the coordinator has learned of it, and signed out: its copies stay out for as long as the
// longest-lived of them may come back.
func TestCookieLogoutOutlivesTheCookie(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		rec, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{
			Subject: "alice", Token: firstToken(time.Second), Expires: time.Now().Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		rec = w.get(rec.Handle)
		rec, err = w.keep.Update(t.Context(), rec.Handle, func(r *store.Record) error {
			r.Expires = time.Now().Add(24 * time.Hour)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.keep.End(t.Context(), rec.Handle); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := w.keep.Sweep(t.Context(), 10); err != nil {
			t.Error(err)
		}
		if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a copy of the cookie got %v", err)
		}
	})
}

func TestCookieStoreCannotHoldKeys(t *testing.T) {
	t.Parallel()
	tokens, err := cookiestore.New(newRing(t), cookiestore.SingleReplica())
	if err != nil {
		t.Fatal(err)
	}
	keep, err := keeper.New(tokens, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keep.Start(t.Context(), store.Key("worker"), &store.Record{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Start: %v", err)
	}
	if err := keep.EndSessions(t.Context(), "alice"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("EndSessions: %v", err)
	}
}

// A copy of a cookie may have been prolonged by whoever holds it: signing out the original, which ends sooner, keeps the
// copy out too, for as long as it lives.
func TestCookieLogoutOutlivesAProlongedCopy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		original, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{
			Subject: "alice", Token: firstToken(48 * time.Hour), Expires: time.Now().Add(24 * time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Hour)
		prolonged, err := w.keep.Update(t.Context(), original.Handle, func(r *store.Record) error {
			r.Expires = time.Now().Add(24 * time.Hour)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.keep.End(t.Context(), original.Handle); err != nil {
			t.Fatal(err)
		}
		for range 25 {
			time.Sleep(time.Hour)
			if _, err := w.keep.Sweep(t.Context(), 10); err != nil {
				t.Error(err)
			}
			if _, err := w.keep.Get(t.Context(), prolonged.Handle); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("the prolonged copy got %v", err)
			}
		}
	})
}
