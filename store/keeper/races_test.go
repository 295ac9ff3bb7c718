package keeper_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// What Get returned is the caller's: the refresh in the background does not write what the caller makes of it.
func TestCallersRecordIsNotTheFlights(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, &keeper.Options{MaxConcurrent: 1})
		rec := w.start(time.Hour)
		other := w.start(time.Second)
		time.Sleep(time.Hour - 30*time.Second)
		w.p.delay = time.Second
		go w.keep.Get(t.Context(), other.Handle) // takes the only place
		synctest.Wait()
		got := w.get(rec.Handle)
		got.Subject, got.Token.Scopes[0] = "mallory", "all"
		time.Sleep(time.Second)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		now, err := w.tokens.Get(t.Context(), rec.Handle)
		if err != nil || now.Subject != "alice" || now.Token.Scopes[0] != "read" || now.Version == rec.Version {
			t.Errorf("stored for %q, scopes %q, %v", now.Subject, now.Token.Scopes, err)
		}
	})
}

// A logout comes while the revocation of an older token is paid: what the logout has to revoke is not struck with it.
func TestPaidForAnotherIsNotPaidForTheEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		key := store.Key("ulule", "alice")
		slow := &slowRevoker{provider: w.p, gate: make(chan struct{})}
		keep, err := keeper.New(w.tokens, slow, &keeper.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer keep.Close(context.Background())
		for _, text := range []string{"old", "new"} {
			tok := firstToken(time.Hour)
			tok.RefreshToken = text
			if _, err := keep.Start(t.Context(), key, &store.Record{Token: tok}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // old's revocation is under way
		if err := keep.End(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // new's has failed
		close(slow.gate)
		time.Sleep(time.Second)
		if rec, err := w.tokens.Get(t.Context(), key); !errors.Is(err, store.ErrEnded) || rec.Token.RefreshToken != "new" {
			t.Errorf("new is not revoked and not noted any more: %v", err)
		}
	})
}

// slowRevoker revokes old once the gate opens, and new never.
type slowRevoker struct {
	*provider
	gate chan struct{}
}

// Revoke implements keeper.Revoker.
func (s *slowRevoker) Revoke(_ context.Context, rec *store.Record) error {
	if rec.Token.RefreshToken == "new" {
		return errors.New("down")
	}
	<-s.gate
	return nil
}

// A create of unknown outcome that was stored: while nobody can tell whose the record is, it is not said to be another's.
func TestStartTakenByItself(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		puts, gets := 0, 0
		odd := &tamper{TokenStore: w.tokens}
		odd.put = func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			rec, err := do()
			if puts++; puts == 1 {
				return nil, errDown
			}
			return rec, err
		}
		odd.get = func(do func() (*store.Record, error)) (*store.Record, error) {
			if gets++; gets == 1 {
				return nil, errDown
			}
			return do()
		}
		h := store.NewCredential("session")
		if rec, err := w.newKeeper(odd, nil).Start(t.Context(), h, &store.Record{Subject: "alice", Token: firstToken(time.Hour)}); err != nil || rec.Handle != h {
			t.Errorf("got %v, %v", rec, err)
		}
	})
}
