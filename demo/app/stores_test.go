package app

import (
	"errors"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// TestHalvesApart: the app can neither find nor open what the provider keeps, in whatever file both are.
func TestHalvesApart(t *testing.T) {
	t.Parallel()
	for _, cfg := range []config{{store: memory}, onDisk(t.TempDir(), sqlite), onDisk(t.TempDir(), cookie)} {
		s, err := openStores(cfg)
		if err != nil {
			t.Fatal(err)
		}
		h := store.Credential("access", "a-token-of-the-provider")
		rec := &store.Record{ID: "1", Subject: "alice", Expires: time.Now().Add(time.Hour)}
		if _, err := s.provider.Put(t.Context(), h, rec); err != nil {
			t.Fatal(err)
		}
		if _, err := s.app.Get(t.Context(), h); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: the app finds the provider's record: %v", cfg.store, err)
		}
		sealed := s.providerRing.SealBytes("purpose", "name", []byte("secret"))
		if _, err := s.appRing.OpenBytes("purpose", "name", sealed); err == nil {
			t.Errorf("%s: the app opens what the provider has sealed", cfg.store)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestExpire: the record that counts is expired, whichever store holds it, and a second time changes nothing.
func TestExpire(t *testing.T) {
	t.Parallel()
	const id = "26 characters of an ID ..."
	for _, cfg := range []config{{store: memory}, onDisk(t.TempDir(), sqlite), {store: cookie}, onDisk(t.TempDir(), cookie)} {
		s, err := openStores(cfg)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := s.app.Put(t.Context(), store.Handle{}, &store.Record{
			ID: "1", Subject: "alice", Expires: time.Now().Add(time.Hour),
			Token: store.Token{AccessToken: id + "secret", Expiry: time.Now().Add(time.Hour)},
		})
		if err != nil {
			t.Fatal(err)
		}
		issued := store.Key("authserver", "pair", id)
		if _, err := s.provider.Put(t.Context(), issued, &store.Record{ID: id}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := expire(t.Context(), s.app, s.provider, rec); err != nil {
				t.Errorf("%s: %v", cfg.store, err)
			}
		}
		tokens, h := ruling(s.app, rec)
		if got, err := tokens.Get(t.Context(), h); err != nil || got.Token.Expiry.After(time.Now()) {
			t.Errorf("%s: %v, %v", cfg.store, got, err)
		}
		if got, err := s.provider.Get(t.Context(), issued); err != nil || !time.Now().After(got.Token.Expiry) || got.Token.Expiry.IsZero() {
			t.Errorf("%s: the provider still takes the token: %v, %v", cfg.store, got, err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
