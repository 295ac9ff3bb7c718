package middleware_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// No method, path, host, user agent or forwarding header lets anybody in, and no answer opens anything to other origins.
func TestNothingIsExempt(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	h := guard.Require("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("got in") }))
	refused := func(r *http.Request) {
		t.Helper()
		w := serve(h, r)
		if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer realm="api"` {
			t.Errorf("%s %s %v: %d %v", r.Method, r.URL, r.Header, w.Code, w.Header())
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s in the answer", name)
			}
		}
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "POST", "PRI", "get", "PROPFIND"} {
		refused(request(method, "/", ""))
	}
	for _, target := range []string{"/health", "/.well-known/x", "/robots.txt", "/static/../me", "//me", "/me;a=b", "/me%2f..", "http://127.0.0.1/me", "/favicon.ico"} {
		refused(request("GET", target, ""))
	}
	for name, values := range map[string][]string{
		"User-Agent": {"kube-probe/1.30", "GoogleHC/1.0"}, "X-Forwarded-Uri": {"/public"}, "X-Original-Url": {"/public"}, "X-Rewrite-Url": {"/public"},
		"X-Forwarded-For": {"127.0.0.1"}, "X-Real-Ip": {"::1"}, "X-Http-Method-Override": {"OPTIONS"}, "Forwarded": {"for=127.0.0.1"}, "X-Forwarded-User": {"admin"},
		"X-Auth-Request-User": {"admin"}, "Proxy-Authorization": {"Bearer u1"}, "Cookie": {"__Host-session=u1"}, "X-Access-Token": {"u1"}, "Sec-Websocket-Protocol": {"bearer, u1"},
	} {
		for _, value := range values {
			r := request("GET", "/", "")
			r.Header.Set(name, value)
			refused(r)
		}
	}
}

// Scopes are compared whole and byte for byte; a token of which no scopes are known has none.
func TestScopesAreWhole(t *testing.T) {
	t.Parallel()
	tests := []struct {
		granted  []string
		required []string
		ok       bool
	}{
		{[]string{"read"}, []string{"read"}, true},
		{[]string{"write", "read"}, []string{"read", "write"}, true},
		{[]string{"read_all"}, []string{"read"}, false},
		{[]string{"read"}, []string{"read_all"}, false},
		{[]string{"READ"}, []string{"read"}, false},
		{[]string{"read write"}, []string{"read"}, false},
		{[]string{"read"}, []string{"read", "write"}, false},
		{nil, []string{"read"}, false},
		{[]string{}, []string{"read"}, false},
		{[]string{""}, []string{"read"}, false},
		{nil, nil, true},
	}
	for _, tt := range tests {
		v := middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) {
			return &store.Record{Subject: "u1", Token: store.Token{Scopes: tt.granted}}, nil
		})
		guard := newGuard(t, v, nil)
		w := serve(guard.Require(tt.required...)(done), request("GET", "/", "x"))
		if (w.Code == 200) != tt.ok {
			t.Errorf("granted %q, required %q: %d", tt.granted, tt.required, w.Code)
		}
		if got := guardtest.Challenge(t, w.Header())["scope"]; !tt.ok && got != strings.Join(tt.required, " ") {
			t.Errorf("granted %q, required %q: the challenge says %q", tt.granted, tt.required, got)
		}
	}
}

// A session is found by the whole text of its handle and nothing like it, nor by what stands for something else.
func TestHandlesAreWhole(t *testing.T) {
	t.Parallel()
	guard, keep, credentials := kept(t, 2)
	key := store.Key("grant", "42")
	if _, err := keep.Start(t.Context(), key, &store.Record{Subject: "42"}); err != nil {
		t.Fatal(err)
	}
	other, err := keep.Start(t.Context(), store.NewCredential("refresh"), &store.Record{Subject: "42"})
	if err != nil {
		t.Fatal(err)
	}
	good := credentials[0]
	sum := store.Credential("session", good).Sum()
	keySum := key.Sum()
	swap := strings.ToUpper(good)
	if swap == good {
		swap = strings.ToLower(good)
	}
	for name, text := range map[string]string{
		"prefix": good[:len(good)-1], "suffix": good[1:], "extended": good + "A", "padded": good + "=", "another case": swap, "two": good + credentials[1],
		"its sum": base64.RawURLEncoding.EncodeToString(sum[:]), "a key's sum": base64.RawURLEncoding.EncodeToString(keySum[:]),
		"a key's name": "42", "another purpose": other.Handle.Reveal(), "dots": "..", "null": "null",
	} {
		if w := serve(guard.Require()(done), request("GET", "/", text)); w.Code != 401 {
			t.Errorf("%s: %d", name, w.Code)
		}
		r := withCookie(request("GET", "/", ""), "__Host-session="+text)
		if w := serve(guard.Require()(done), r); w.Code != 401 {
			t.Errorf("%s in the cookie: %d", name, w.Code)
		}
	}
	if w := serve(guard.Require()(done), request("GET", "/", good)); w.Code != 200 {
		t.Errorf("the handle itself: %d", w.Code)
	}
}

// Whatever way they are printed, the package's values show no secret: keys, handles, tokens, users.
func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	key := seal.NewKey()
	ring, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	keep, err := keeper.New(tokens, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keep.Close(context.Background()) })
	session := &middleware.Session{Keeper: keep, Ring: ring}
	users, err := middleware.CacheUsers(func(context.Context, *store.Record) (guardtest.User, error) {
		return guardtest.User{ID: "SECRET-user"}, nil
	}, 10, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	o := &middleware.Options{Session: session, Logger: quiet.Logger}
	guard, err := middleware.New(keep, users.Resolve, o)
	if err != nil {
		t.Fatal(err)
	}
	started, err := session.Start(httptest.NewRecorder(), request("POST", "/", ""), &store.Record{Subject: "SECRET-subject", Token: store.Token{AccessToken: "SECRET-token"}})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"SECRET", started.Handle.Reveal(), strings.Trim(fmt.Sprint(key), "[]"), fmt.Sprintf("%x", key), string(key)}
	checked, err := guard.Check(httptest.NewRecorder(), request("GET", "/", started.Handle.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	_, refusal := guard.Check(httptest.NewRecorder(), request("GET", "/", "SECRET"))
	for name, v := range map[string]any{
		"Guard": guard, "Guard's value": *guard, "Session": session, "Options": o, "Options's value": *o, "UserCache": users, "UserCache's value": *users,
		"the context": checked.Context(), "the refusal": refusal, "ByForm": middleware.ByForm(keep, keep),
	} {
		text := fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v)
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		encoded, _ := json.Marshal(v) // what cannot be encoded shows nothing either
		for _, secret := range secrets {
			for form, text := range map[string]string{"fmt": text, "slog": log.String(), "JSON": string(encoded)} {
				if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
					t.Errorf("%s shows a secret with %s: %s", name, form, text)
				}
			}
		}
	}
}
