package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// listing is the memory store with its List replaced.
type listing struct {
	*memstore.Store
	list func(do func() ([]*store.Record, string, error)) ([]*store.Record, string, error)
}

// List implements store.Lister.
func (l listing) List(ctx context.Context, subject, cursor string, n int) ([]*store.Record, string, error) {
	return l.list(func() ([]*store.Record, string, error) { return l.Store.List(ctx, subject, cursor, n) })
}

// Where one revocation ends all tokens of the user, a logout revokes unless the user has a newer session there; what
// could not be found out is left for Sweep.
func TestRevokeEndsGrant(t *testing.T) {
	for _, tt := range []struct {
		name    string
		newer   int // sessions begun after the one that ends
		other   int // and of another subject
		list    error
		bare    bool // the store cannot list
		revoked int
		swept   int // once the list can be had
	}{
		{name: "alone", revoked: 1},
		{name: "newer session", newer: 1},
		{name: "many newer", newer: 150},
		{name: "somebody else's", other: 1, revoked: 1},
		{name: "no list to be had", list: errors.New("down"), swept: 1},
		{name: "no list to be had, newer session", newer: 1, list: errors.New("down")},
		{name: "no power to list", bare: true, newer: 1, revoked: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, nil)
				fails := tt.list
				var tokens store.TokenStore = listing{w.tokens.(*memstore.Store), func(do func() ([]*store.Record, string, error)) ([]*store.Record, string, error) {
					if fails != nil {
						return nil, "", fails
					}
					return do()
				}}
				if tt.bare {
					tokens = struct{ store.TokenStore }{w.tokens}
				}
				keep := w.newKeeper(tokens, &keeper.Options{RevokeEndsGrant: true})
				begin := func(subject string) *store.Record {
					time.Sleep(time.Second)
					rec, err := keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: subject, Token: firstToken(time.Hour)})
					if err != nil {
						t.Fatal(err)
					}
					return rec
				}
				begin("alice") // older, and no reason to keep anything
				rec := begin("alice")
				for range tt.newer {
					begin("alice")
				}
				for range tt.other {
					begin("bob")
				}
				if err := keep.End(t.Context(), rec.Handle); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if n := len(w.p.revoked); n != tt.revoked {
					t.Errorf("%d revocations, want %d", n, tt.revoked)
				}
				fails = nil
				time.Sleep(time.Minute)
				if _, err := w.newKeeper(w.tokens, &keeper.Options{RevokeEndsGrant: true}).Sweep(t.Context(), 10); err != nil {
					t.Error(err)
				}
				if n := len(w.p.revoked) - tt.revoked; n != tt.swept {
					t.Errorf("%d revocations by Sweep, want %d", n, tt.swept)
				}
			})
		})
	}
}

// A login under a Key, where a revocation ends all: the old grant's is dropped, and what a refresh of the old one brings
// too.
func TestRevokeEndsGrantUnderAKey(t *testing.T) {
	faultTest(t, onceOnly, func(b *bench) {
		k := b.process(&keeper.Options{RevokeEndsGrant: true})
		go k.Get(background, chaosKey)
		synctest.Wait()
		if _, err := k.Start(background, chaosKey, chaosRecord(b.login())); err != nil {
			b.t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(b.calls("revoke")); n != 0 {
			b.t.Errorf("%d revocations", n)
		}
		b.get(k)
	})
}

// EndSubject and EndSessions end what they can, over any number of pages, and say what they could not find out.
func TestEndingManySessions(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var all []store.Handle
		for i := range 250 {
			rec, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Token: firstToken(time.Hour)})
			if err != nil {
				t.Fatal(i, err)
			}
			all = append(all, rec.Handle)
		}
		pages := 0
		tokens := listing{w.tokens.(*memstore.Store), func(do func() ([]*store.Record, string, error)) ([]*store.Record, string, error) {
			if pages++; pages == 2 {
				return nil, "", errors.New("connection lost")
			}
			return do()
		}}
		keep := w.newKeeper(tokens, nil)
		if err := keep.EndSessions(t.Context(), "alice"); !errors.Is(err, keeper.ErrUnavailable) {
			t.Errorf("a list that breaks off: %v", err)
		}
		if err := keep.EndSubject(t.Context(), "alice"); err != nil {
			t.Error(err)
		}
		for _, h := range all {
			if _, err := w.keep.Get(t.Context(), h); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("a session survives: %v", err)
			}
		}
	})
}

// Somebody signs in again under the Key between the list and the end: the new grant is not the one that was listed.
func TestEndSubjectSparesANewLogin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		key := store.Key("ulule", "alice")
		begin := func() {
			if _, err := w.keep.Start(t.Context(), key, &store.Record{Subject: "alice", Token: firstToken(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		begin()
		tokens := listing{w.tokens.(*memstore.Store), func(do func() ([]*store.Record, string, error)) ([]*store.Record, string, error) {
			recs, next, err := do()
			begin()
			return recs, next, err
		}}
		if err := w.newKeeper(tokens, nil).EndSubject(t.Context(), "alice"); err != nil {
			t.Error(err)
		}
		w.get(key)
	})
}

// Sweep drops what has expired, leaves an ended record whose refresh is under way, and sends a failing one to the end of
// the queue.
func TestSweepVisits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for i := range 3 {
			rec := &store.Record{Subject: "bob", Token: firstToken(time.Hour), Expires: time.Now().Add(time.Minute)}
			if _, err := w.keep.Start(t.Context(), store.Key("short", fmt.Sprint(i)), rec); err != nil {
				t.Fatal(err)
			}
		}
		rec := w.start(time.Second)
		time.Sleep(2 * time.Minute)
		w.p.delay = 2 * time.Second
		go w.keep.Get(t.Context(), rec.Handle)
		synctest.Wait()
		if err := w.keep.End(t.Context(), rec.Handle); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n, err := w.keep.Sweep(t.Context(), 10); n != 3 || err != nil {
			t.Errorf("under way: dropped %d, %v", n, err)
		}
		time.Sleep(time.Minute)
		w.keep.Sweep(t.Context(), 10)
		if cur, err := w.tokens.Get(t.Context(), rec.Handle); cur != nil {
			t.Errorf("afterwards: %v, %v", cur, err)
		}
		if n := len(w.p.revoked); n != 2 {
			t.Errorf("revoked %q, want what it had and what the refresh brought", w.p.revoked)
		}
	})
}

// A grant expires with revocations pending that its predecessors left: Sweep pays them before it drops the record.
func TestSweepPaysBeforeItDropsAnExpiredRecord(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		key := store.Key("ulule", "alice")
		w.p.revoke = errors.New("down")
		for _, text := range []string{"first", "second"} {
			tok := firstToken(time.Hour)
			tok.RefreshToken = text
			if _, err := w.keep.Start(t.Context(), key, &store.Record{Token: tok, Expires: time.Now().Add(time.Minute)}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		if n, err := w.keep.Sweep(t.Context(), 10); n != 0 {
			t.Errorf("dropped %d although a revocation is pending: %v", n, err)
		}
		w.p.revoke = nil
		if n, err := w.keep.Sweep(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
		if !slices.Contains(w.p.revoked, "first") {
			t.Errorf("revoked %q", w.p.revoked)
		}
	})
}
