package grants_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// kept stores tok as a new grant of the refresher's and returns the keeper of it.
func kept(t *testing.T, r keeper.Refresher, tok store.Token, o *keeper.Options) (*keeper.Keeper, *store.Record) {
	t.Helper()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := keeper.Options{}
	if o != nil {
		opts = *o
	}
	opts.Logger = discard
	keep, err := keeper.New(tokens, r, &opts)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := keep.Start(t.Context(), store.Key("user", "42"), &store.Record{Subject: "42", Token: tok})
	if err != nil {
		t.Fatal(err)
	}
	return keep, rec
}

// expired is a token that the keeper has to refresh before it is used.
func expired() store.Token {
	return store.Token{AccessToken: "AT1", RefreshToken: "RT1", TokenType: "Bearer", Expiry: time.Now().Add(-30 * time.Second)}
}

// resource is an API that remembers what it was asked.
func resource(t *testing.T) *script {
	t.Helper()
	return scripted(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) })
}
