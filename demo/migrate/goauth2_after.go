package migrate

import (
	"encoding/json"
	"net/http"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// GoOAuth2After is the same with tokenkeep, and a page on which the user allows or denies.
func GoOAuth2After(tokens store.TokenStore, signedIn func(*http.Request) string) (http.Handler, error) {
	srv, err := authserver.New(tokens, nil, []authserver.Client{{
		ID: "partner", Secret: "partner-secret", Name: "Partner", RedirectURIs: []string{"http://127.0.0.1:9094/callback"},
		Scopes: []string{"read"},
	}}, &authserver.Options{
		Issuer: "https://login.example",
		Authenticate: func(w http.ResponseWriter, r *http.Request) (string, bool) {
			return signedIn(r), true
		},
	})
	if err != nil {
		return nil, err
	}
	guard, err := middleware.New(srv, middleware.Self, nil)
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize())
	mux.Handle("/token", srv.Token())
	mux.Handle("/revoke", srv.Revoke())
	mux.Handle("GET /me", guard.Require("read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, _ := guard.User(r.Context())
		json.NewEncoder(w).Encode(map[string]string{"id": rec.Subject})
	})))
	return mux, nil
}
