package keeper_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func TestStartRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	tokens, _ := memstore.New(nil)
	keep, err := keeper.New(tokens, named{"ulule"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		h    store.Handle
		rec  store.Record
		want string
	}{
		{"session without a subject", store.Handle{}, store.Record{}, "Subject"},
		{"unknown provider", store.Key("k"), store.Record{Provider: "google"}, "unknown provider"},
		{"grant that is no key", store.Handle{}, store.Record{Subject: "a", Grant: store.NewCredential("session")}, "Grant"},
		{"grant and token", store.Handle{}, store.Record{Subject: "a", Grant: store.Key("g"), Token: store.Token{AccessToken: "x"}}, "not both"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := keep.Start(t.Context(), tt.h, &tt.rec); err == nil || !contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	rec, err := keep.Start(t.Context(), store.Key("k"), &store.Record{})
	if err != nil || rec.Provider != "ulule" {
		t.Errorf("the only provider is filled in: %v, %v", rec, err)
	}
}

type named struct{ name string }

func (n named) Refresh(context.Context, *store.Record) (store.Token, error) {
	return store.Token{}, errors.New("not called")
}
func (n named) Providers() []string { return []string{n.name} }

func TestVerifyTakesSessionsOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Hour)
		if got, err := w.keep.Verify(t.Context(), rec.Handle.Reveal()); err != nil || got.Subject != "alice" {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := w.keep.Start(t.Context(), store.Key("42"), &store.Record{Token: firstToken(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"", "42", "access-0", "refresh-0", rec.ID} {
			if _, err := w.keep.Verify(t.Context(), text); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q got %v", text, err)
			}
		}
	})
}

func TestSessionsShareAGrant(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		key := store.Key("ulule", "alice")
		if _, err := w.keep.Start(t.Context(), key, &store.Record{Subject: "alice", Token: firstToken(time.Second)}); err != nil {
			t.Fatal(err)
		}
		var sessions []*store.Record
		for range 3 {
			s, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Grant: key})
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		time.Sleep(2 * time.Second)
		for _, s := range sessions {
			got := w.get(s.Handle)
			if got.ID != s.ID || got.Handle != s.Handle || got.Version != s.Version || got.Token.AccessToken != "access-1" {
				t.Errorf("session %v got %v with %q", s, got, got.Token.AccessToken)
			}
		}
		w.wantCalls(1)
		if _, err := w.keep.Update(t.Context(), sessions[0].Handle, func(r *store.Record) error {
			r.Token.AccessToken = "mine"
			return nil
		}); err == nil {
			t.Error("Update took a changed token")
		}
		// Logout of one leaves the others; ending the Key ends all.
		if err := w.keep.End(t.Context(), sessions[0].Handle); err != nil {
			t.Fatal(err)
		}
		if _, err := w.keep.Get(t.Context(), sessions[0].Handle); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after logout: %v", err)
		}
		w.get(sessions[1].Handle)
		if err := w.keep.End(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		for _, s := range sessions[1:] {
			if _, err := w.keep.Get(t.Context(), s.Handle); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("after the grant ended: %v", err)
			}
		}
		synctest.Wait()
		if len(w.p.revoked) != 1 || w.p.revoked[0] != "refresh-1" {
			t.Errorf("revoked %q", w.p.revoked)
		}
	})
}

func TestStartUnderAKeyReplaces(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		key := store.Key("ulule", "alice")
		old, err := w.keep.Start(t.Context(), key, &store.Record{Token: firstToken(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		w.p.revoke = errors.New("down") // what is unpaid is carried along
		tok := firstToken(time.Hour)
		tok.RefreshToken = "second"
		if _, err := w.keep.Start(t.Context(), key, &store.Record{Token: tok}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.p.revoke = nil
		tok.RefreshToken = "third"
		rec, err := w.keep.Start(t.Context(), key, &store.Record{Token: tok})
		if err != nil || rec.ID == old.ID {
			t.Fatalf("got %v, %v", rec, err)
		}
		synctest.Wait()
		if len(w.p.revoked) != 2 || w.p.revoked[0] != "refresh-0" || w.p.revoked[1] != "second" {
			t.Errorf("revoked %q, want both predecessors", w.p.revoked)
		}
		if got := w.get(key); got.Token.RefreshToken != "third" {
			t.Error("the new grant is not what is stored")
		}
	})
}

// What could not be revoked at a new login under a Key stands in the live record, which Sweep does not visit: each refresh
// tries again, until it is paid, once.
func TestRefreshPaysWhatALoginCouldNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		key := store.Key("ulule", "alice")
		for _, text := range []string{"stolen", "refresh-0"} {
			w.p.revoke = errors.New("down")
			tok := firstToken(time.Second)
			tok.RefreshToken = text
			if _, err := w.keep.Start(t.Context(), key, &store.Record{Token: tok}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for round, want := range []int{0, 1, 1} {
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			if round == 1 {
				w.p.revoke = nil
			}
			if got := w.get(key); got.Generation != uint64(round+1) {
				t.Errorf("round %d: %v", round, got)
			}
			synctest.Wait()
			if len(w.p.revoked) != want || want == 1 && w.p.revoked[0] != "stolen" {
				t.Errorf("round %d: revoked %q, want %d", round, w.p.revoked, want)
			}
		}
	})
}

func TestLogoutBeatsRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
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
		time.Sleep(time.Minute)
		w.p.mu.Lock()
		defer w.p.mu.Unlock()
		if n := len(w.p.revoked); n != 2 || w.p.revoked[1] != "refresh-1" {
			t.Errorf("revoked %q, want what both held", w.p.revoked)
		}
	})
}

func TestSweepPaysWhatEndCouldNot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Hour)
		w.p.revoke = errors.New("down")
		if err := w.keep.End(t.Context(), rec.Handle); err != nil {
			t.Fatal("logout must not depend on the provider:", err)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		if n, err := w.keep.Sweep(t.Context(), 10); n != 0 || err == nil && n != 0 {
			t.Errorf("dropped %d although the revocation is pending: %v", n, err)
		}
		w.p.revoke = nil
		if n, err := w.keep.Sweep(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
		if len(w.p.revoked) != 1 {
			t.Errorf("revoked %q", w.p.revoked)
		}
	})
}

func TestSweepGivesUpAfterThirtyDays(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Hour)
		w.p.revoke = errors.New("down")
		if err := w.keep.End(t.Context(), rec.Handle); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * 24 * time.Hour)
		if n, err := w.keep.Sweep(t.Context(), 10); n != 1 {
			t.Errorf("dropped %d, %v", n, err)
		}
	})
}

func TestEndSessionsAndEndSubject(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		key := store.Key("ulule", "alice")
		must := func(h store.Handle, subject string) *store.Record {
			rec, err := w.keep.Start(t.Context(), h, &store.Record{Subject: subject, Token: firstToken(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			return rec
		}
		must(key, "alice")
		a, b, bob := must(store.Handle{}, "alice"), must(store.Handle{}, "alice"), must(store.Handle{}, "bob")
		if err := w.keep.EndSessions(t.Context(), "alice", a.Handle); err != nil {
			t.Fatal(err)
		}
		alive := func(h store.Handle, want bool) {
			t.Helper()
			if _, err := w.keep.Get(t.Context(), h); (err == nil) != want {
				t.Errorf("alive: %v, want %v", err, want)
			}
		}
		alive(a.Handle, true)
		alive(b.Handle, false)
		alive(bob.Handle, true)
		alive(key, true)
		if err := w.keep.EndSubject(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		alive(a.Handle, false)
		alive(key, false)
		alive(bob.Handle, true)
	})
}

func TestUpdateLosesNobodysFields(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		w.p.delay = time.Second
		until := time.Now().Add(time.Hour).Truncate(time.Second)
		var wg sync.WaitGroup
		wg.Go(func() { w.get(rec.Handle) })
		time.Sleep(500 * time.Millisecond)
		if _, err := w.keep.Update(t.Context(), rec.Handle, func(r *store.Record) error {
			r.Expires = until
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		got := w.get(rec.Handle)
		if !got.Expires.Equal(until) || got.Generation != 1 {
			t.Errorf("got %v, want both the update and the refresh", got)
		}
		w.wantCalls(1)
	})
}

func TestCloseDrains(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.p.delay = time.Second
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		go w.keep.Get(t.Context(), rec.Handle)
		time.Sleep(100 * time.Millisecond)
		if err := w.keep.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := w.tokens.Get(t.Context(), rec.Handle); err != nil || got.Generation != 1 {
			t.Errorf("what was under way is lost: %v, %v", got, err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
			t.Errorf("a closed keeper began new work: %v", err)
		}
	})
}

// down is a store that answers nothing.
type down struct{ store.TokenStore }

func (down) Get(context.Context, store.Handle) (*store.Record, error) {
	return nil, errors.New("no answer")
}

func TestEndReportsAStoreThatIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Hour)
		keep := w.newKeeper(putDown{w.tokens}, nil)
		began := time.Now()
		if err := keep.End(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("it took %v", d)
		}
		w.get(rec.Handle)
		if err := w.newKeeper(down{w.tokens}, nil).End(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

// putDown reads, and refuses to write.
type putDown struct{ store.TokenStore }

func (putDown) Put(context.Context, store.Handle, *store.Record) (*store.Record, error) {
	return nil, errors.New("read-only")
}
