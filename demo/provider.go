package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// provider is the authorization server: one authserver, mounted where each of the documents has it.
type provider struct {
	server  *authserver.Server
	clients []authserver.Client
	handler http.Handler
}

// scopeTexts is what the consent page says.
var scopeTexts = map[string]string{
	readScope: "read your account", writeScope: "change your account",
	emailScope: "see your e-mail address", profileScope: "see your name",
}

type providerSettings struct {
	tokens   store.TokenStore
	ring     *seal.Ring
	url      string // its own
	users    *directory
	dialects *dialects
	clients  []authserver.Client
	logger   *slog.Logger
}

func newProvider(s providerSettings) (*provider, error) {
	server, err := authserver.New(s.tokens, s.users.authenticate, s.clients, &authserver.Options{
		Issuer: s.url, Ring: s.ring, Scopes: scopeTexts, Logger: s.logger,
	})
	if err != nil {
		return nil, err
	}
	guard, err := middleware.New(server, s.users.byRecord, &middleware.Options{Realm: "provider", Logger: s.logger})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mountGrants(mux, server, s.dialects)
	me := func(w http.ResponseWriter, r *http.Request) {
		u, _ := guard.User(r.Context())
		writeJSON(w, u)
	}
	for path, scope := range map[string]string{
		"/v1/me": readScope, "/me/{$}": readScope, "/oauth2/v1/userinfo": profileScope, "/api/v3/users/me": usersScope,
	} {
		mux.Handle("GET "+path, guard.Require(scope)(http.HandlerFunc(me)))
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, providerIndex)
	})
	icon, err := static("icon.svg")
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /favicon.ico", icon)
	return &provider{server: server, clients: s.clients, handler: mux}, nil
}

// mountGrants mounts each endpoint with and without its last slash, since a redirect would lose a POST's body: the form
// that is wrong is answered with an error that says so.
func mountGrants(mux *http.ServeMux, s *authserver.Server, d *dialects) {
	both := func(path string, h http.Handler) {
		mux.Handle(path, h)
		mux.Handle(path+"/{$}", h)
	}
	both("/oauth2/token", s.Token(d.ulule))
	both("/oauth2/authorize", s.Authorize(d.ulule))
	both("/oauth2/revoke", s.Revoke(d.ulule))
	both("/oauth/token", s.Token(d.breakout, d.ushahidi))
	both("/o/oauth2/token", s.Token(d.google))
	both("/o/oauth2/auth", s.Authorize(d.google))
	both("/o/oauth2/revoke", s.Revoke(d.google))
}

const providerIndex = `tokenkeep demo: the provider

POST /oauth2/token/       Ulule: Basic, form; password, authorization_code, refresh_token
GET  /oauth2/authorize/   Ulule: login and consent
POST /oauth2/revoke/      Ulule: revocation
POST /oauth/token         BreakOut: Basic, form; password, refresh_token
POST /oauth/token         Ushahidi: one JSON body with everything in it
GET  /o/oauth2/auth       Google, as requests-oauthlib knows it
POST /o/oauth2/token
POST /o/oauth2/revoke

GET  /v1/me               scope read
GET  /me/                 scope read
GET  /oauth2/v1/userinfo  scope https://www.googleapis.com/auth/userinfo.profile
GET  /api/v3/users/me     scope users
`

func writeJSON(w http.ResponseWriter, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the client left
}
