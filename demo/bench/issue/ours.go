package issue

import (
	"context"
	"crypto/subtle"
	"path/filepath"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

func ours(tokens store.TokenStore, closer func() error) (*Server, error) {
	users := func(_ context.Context, name, password string) (string, error) {
		if name != userName || subtle.ConstantTimeCompare([]byte(password), []byte(userPassword)) != 1 {
			return "", store.ErrNotFound
		}
		return "user-4711", nil
	}
	srv, err := authserver.New(tokens, users, []authserver.Client{{
		ID: clientID, Secret: clientSecret, Grants: []string{"password", "refresh_token"}, Scopes: []string{"profile"},
	}}, nil)
	if err != nil {
		return nil, err
	}
	return &Server{Token: srv.Token(), Introspect: srv.Introspect(), Close: closer}, nil
}

func oursInMemory(string) (*Server, error) {
	tokens, err := memstore.New(nil)
	if err != nil {
		return nil, err
	}
	return ours(tokens, nil)
}

func oursOnSQLite(dir string) (*Server, error) {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		return nil, err
	}
	tokens, err := sqlitestore.Open(filepath.Join(dir, "tokens.db"), ring, nil)
	if err != nil {
		return nil, err
	}
	return ours(tokens, tokens.Close)
}
