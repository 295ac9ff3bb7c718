package keeper_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// views returns a keeper over a memory store, which shows its records.
func views(t *testing.T, o *keeper.Options) *keeper.Keeper {
	t.Helper()
	return keeping(t, memory(t), keeper.RefreshFunc(rotate), o)
}

func memory(t *testing.T) *memstore.Store {
	t.Helper()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func keeping(t *testing.T, tokens store.TokenStore, r keeper.Refresher, o *keeper.Options) *keeper.Keeper {
	t.Helper()
	k, err := keeper.New(tokens, r, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(context.Background()) })
	return k
}

// session begins one whose token is good for so long.
func session(t *testing.T, k *keeper.Keeper, life time.Duration) *store.Record {
	t.Helper()
	rec, err := k.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Expires: time.Now().Add(24 * time.Hour),
		Token: store.Token{AccessToken: "first", RefreshToken: "r", Expiry: time.Now().Add(life)}})
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// Verify shows what Get returns, at once after every change.
func TestVerifyIsGet(t *testing.T) {
	t.Parallel()
	k := views(t, nil)
	rec := session(t, k, time.Hour)
	credential := rec.Handle.Reveal()
	verify := func(want string) {
		t.Helper()
		for range 3 {
			got, err := k.Verify(t.Context(), credential)
			if err != nil || got.Token.AccessToken != want || got.ID != rec.ID {
				t.Fatalf("Verify: %v, %v; want %s", got, err, want)
			}
			if again, err := k.Get(t.Context(), got.Handle); err != nil || again.Version != got.Version {
				t.Fatalf("Get by what Verify reports: %v, %v", again, err)
			}
		}
	}
	verify("first")
	fresh, err := k.Refresh(t.Context(), rec.Handle)
	if err != nil {
		t.Fatal(err)
	}
	verify(fresh.Token.AccessToken)
	if _, err := k.Update(t.Context(), rec.Handle, func(r *store.Record) error { r.Provider = "other"; return nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Verify(t.Context(), credential); err != nil || got.Provider != "other" {
		t.Errorf("Verify after Update: %v, %v", got, err)
	}
	if err := k.End(t.Context(), rec.Handle); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Verify(t.Context(), credential); !errors.Is(err, store.ErrNotFound) || got != nil {
		t.Errorf("Verify after End: %v, %v", got, err)
	}
}

// A token that has expired is refreshed, one that is due early in the background, however often it was shown before.
func TestVerifyRefreshes(t *testing.T) {
	t.Parallel()
	k := views(t, nil)
	rec := session(t, k, 50*time.Millisecond)
	for range 3 {
		if _, err := k.Verify(t.Context(), rec.Handle.Reveal()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(60 * time.Millisecond)
	got, err := k.Verify(t.Context(), rec.Handle.Reveal())
	if err != nil || got.Generation != 1 {
		t.Errorf("Verify of an expired token: %v, %v; want it refreshed", got, err)
	}
}

// The process's own clock judges tokens if there is one, not the store's.
func TestVerifyByTheKeepersClock(t *testing.T) {
	t.Parallel()
	k := views(t, &keeper.Options{Mode: keeper.Manual, Now: func() time.Time { return time.Now().Add(2 * time.Hour) }})
	rec := session(t, k, time.Hour)
	var expired *keeper.ExpiredError
	if _, err := k.Verify(t.Context(), rec.Handle.Reveal()); !errors.As(err, &expired) {
		t.Errorf("Verify: %v, want ExpiredError", err)
	}
}

// A session that shares a grant is never shown without the grant's token.
func TestVerifySharedGrant(t *testing.T) {
	t.Parallel()
	k := views(t, nil)
	key := store.Key("grant", "1")
	if _, err := k.Start(t.Context(), key, &store.Record{Subject: "alice", Token: store.Token{AccessToken: "shared", RefreshToken: "r", Expiry: time.Now().Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	rec, err := k.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Grant: key})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := k.Verify(t.Context(), rec.Handle.Reveal()); err != nil || got.Token.AccessToken != "shared" {
			t.Errorf("Verify: %v, %v; want the grant's token", got, err)
		}
	}
}

// wary is a store of its own around another one: what it says in Get counts, also where the other one could show more.
type wary struct {
	*memstore.Store
	gets atomic.Int64
}

func (w *wary) Get(context.Context, store.Handle) (*store.Record, error) {
	w.gets.Add(1)
	return nil, errors.New("wary: not today")
}

func TestVerifyAsksTheStoreItHas(t *testing.T) {
	t.Parallel()
	w := &wary{Store: memory(t)}
	k := keeping(t, w, nil, nil)
	rec := session(t, k, time.Hour)
	if got, err := k.Verify(t.Context(), rec.Handle.Reveal()); err == nil || w.gets.Load() != 1 {
		t.Errorf("Verify: %v, %v after %d Gets; want the store's own error", got, err, w.gets.Load())
	}
}

// forgetful shows records, and takes no refreshed one.
type forgetful struct {
	*memstore.Store
	healed atomic.Bool
}

func (f *forgetful) Viewed() store.TokenStore { return f }

func (f *forgetful) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if rec.Generation > 0 && !f.healed.Load() {
		return nil, errors.New("forgetful: disk full")
	}
	return f.Store.Put(ctx, h, rec)
}

// While the store does not take a refreshed token, requests get it from the process that has it.
func TestVerifyShowsWhatIsNotSaved(t *testing.T) {
	t.Parallel()
	f := &forgetful{Store: memory(t)}
	k := keeping(t, f, keeper.RefreshFunc(rotate), &keeper.Options{CommitBudget: 50 * time.Millisecond})
	rec := session(t, k, time.Hour)
	fresh, err := k.Refresh(t.Context(), rec.Handle)
	if err != nil || fresh.Generation != 1 {
		t.Fatalf("Refresh: %v, %v", fresh, err)
	}
	got, err := k.Verify(t.Context(), rec.Handle.Reveal())
	if err != nil || got.Token.AccessToken != fresh.Token.AccessToken {
		t.Errorf("Verify: %v, %v; want the token that is not saved yet", got, err)
	}
	f.healed.Store(true)
	if err := k.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Verify(t.Context(), rec.Handle.Reveal()); err != nil || got.Generation != 1 {
		t.Errorf("Verify after it was saved: %v, %v", got, err)
	}
}
