package app

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

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
	events   *hub
	trouble  trouble
	logger   *slog.Logger
}

func newProvider(s providerSettings) (*provider, error) {
	server, err := authserver.New(s.tokens, s.users.authenticate, s.clients, &authserver.Options{
		Issuer: s.url, Ring: s.ring, Scopes: scopeTexts, Logger: s.logger, VerificationURI: deviceVerification,
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
	mountHouse(mux, server, s)
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
	return &provider{server: server, clients: s.clients, handler: s.trouble.before(mux, s.logger)}, nil
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

// mountHouse mounts the demo's own dialects: one to live with, and two for storms.
func mountHouse(mux *http.ServeMux, s *authserver.Server, settings providerSettings) {
	d := settings.dialects
	mux.Handle("/token", s.Token(d.house))
	mux.Handle("/authorize", s.Authorize(d.house))
	mux.Handle("/revoke", s.Revoke(d.house))
	mux.Handle("/introspect", s.Introspect(d.house))
	mountDevice(mux, s, d.house)
	mux.Handle("/storm/token", slowly(s.Token(d.storm), settings.events))
	mux.Handle("/storm-strict/token", slowly(s.Token(d.strict), settings.events))
}

// stormLatency is what a token request takes in a storm, so that there is something to see.
const stormLatency = 400 * time.Millisecond

// slowly answers refreshes late, and tells of them.
func slowly(next http.Handler, events *hub) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replica, err := strconv.Atoi(r.Header.Get(replicaHeader))
		if err != nil { // no refresh
			next.ServeHTTP(w, r)
			return
		}
		events.tell(event{At: time.Now(), Kind: kindAsked, Replica: replica})
		answer := &late{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		events.tell(event{At: time.Now(), Kind: kindAnswered, Replica: replica, Outcome: strconv.Itoa(answer.status)})
	})
}

// late takes its time once everything is decided: what is granted is granted, even if nobody waits for the answer.
type late struct {
	http.ResponseWriter
	status int
}

func (l *late) WriteHeader(status int) {
	l.status = status
	time.Sleep(stormLatency)
	l.ResponseWriter.WriteHeader(status)
}

// The provider's side of a storm, as events.
const (
	kindAsked    = "asked"
	kindAnswered = "answered"
)

const providerIndex = `tokenkeep demo: the provider

POST /oauth2/token/       Ulule: Basic, form; password, authorization_code, refresh_token
GET  /oauth2/authorize/   Ulule: login and consent
POST /oauth2/revoke/      Ulule: revocation
POST /oauth/token         BreakOut: Basic, form; password, refresh_token
POST /oauth/token         Ushahidi: one JSON body with everything in it
GET  /o/oauth2/auth       Google, as requests-oauthlib knows it
POST /o/oauth2/token
POST /o/oauth2/revoke

POST /token               House: RFC 6749 with PKCE, tokens of one minute
GET  /authorize           House: code and implicit
POST /revoke, /introspect House
POST /device_authorization House: device codes
GET  /device              House: where users connect a device

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
	json.NewEncoder(w).Encode(v) // the client left
}
