package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
)

func TestCustomDeny(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, &middleware.Options{Deny: func(w http.ResponseWriter, r *http.Request, err error) bool {
		if r.URL.Path != "/teapot" || !errors.Is(err, middleware.ErrNoToken) {
			return false
		}
		w.WriteHeader(http.StatusTeapot)
		return true
	}})
	for target, want := range map[string]int{"/teapot": 418, "/": 401} {
		w := serve(guard.Require()(done), request("GET", target, ""))
		if w.Code != want || (w.Body.Len() > 0) != (want == 401) || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

// A guard of other answers is the same guard in all else: one validation, one user, all scopes.
func TestWithDeny(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	pages := guard.WithDeny(func(w http.ResponseWriter, _ *http.Request, _ error) bool {
		w.WriteHeader(http.StatusTeapot)
		return true
	})
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := guard.User(r.Context())
		again, same := pages.User(r.Context())
		fmt.Fprintf(w, "%s, %v, %v", user.ID, ok, same && user == again)
	})
	for name, tt := range map[string]struct {
		h      http.Handler
		token  string
		status int
		body   string
	}{
		"API refuses":          {guard.Require()(who), "", 401, "{}\n"},
		"page refuses":         {pages.Require()(who), "", 418, ""},
		"page serves":          {pages.Require("read")(who), "u1", 200, "u1, true, true"},
		"page inside API":      {guard.Require("read")(pages.Require("write")(who)), "u1", 418, ""},
		"page inside, served":  {guard.Require()(pages.Require("read")(who)), "u1", 200, "u1, true, true"},
		"API inside page":      {pages.Require("read")(guard.Require("write")(who)), "u1", 403, "insufficient_scope"},
		"back to the standard": {pages.WithDeny(nil).Require()(who), "", 401, "{}\n"},
	} {
		w := serve(tt.h, request("GET", "/", tt.token))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}

// Only what a browser shows as a page of its own is sent to the login; whatever else asks gets an answer it can read.
func TestToLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	rec, cookie := s.login(&store.Record{Subject: "alice"})
	if err := s.keep.End(t.Context(), rec.Handle); err != nil {
		t.Fatal(err)
	}
	guard := s.guard.WithDeny(middleware.ToLogin("/login"))
	tests := []struct {
		name, method, target string
		header               []string
		location             string // "": the standard answer
		status               int
	}{
		{"page", "GET", "/account", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, "/login?return_to=%2Faccount", 303},
		{"with a query", "GET", "/a?x=1&y=%2F", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, "/login?return_to=%2Fa%3Fx%3D1%26y%3D%252F", 303},
		{"session over", "GET", "/account", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Cookie", cookie}, "/login?return_to=%2Faccount", 303},
		{"two sessions", "GET", "/account", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Cookie", cookie + ";" + cookie}, "/login?return_to=%2Faccount", 303},
		{"too long a way back", "GET", "/" + strings.Repeat("a", 3000), []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, "/login", 303},
		{"absolute form", "GET", "http://app.example/account", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, "/login?return_to=%2Faccount", 303},
		{"frame", "GET", "/account", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, "", 401},
		{"script", "GET", "/account", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, "", 401},
		{"script that says it is a page", "GET", "/account", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "document"}, "", 401},
		{"program", "GET", "/account", nil, "", 401},
		{"form", "POST", "/account", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, "", 401},
		{"bad bearer token", "GET", "/account", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Authorization", "Bearer x"}, "", 401},
		{"token in the query", "GET", "/account?access_token=x", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, "", 401},
		{"basic", "GET", "/account", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Authorization", "Basic x"}, "", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, tt.target, nil)
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Set(tt.header[i], tt.header[i+1])
			}
			w := serve(http.StripPrefix("/", guard.Require()(done)), r)
			h := w.Header()
			if w.Code != tt.status || h.Get("Location") != tt.location || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v", w.Code, h)
			}
			if challenge := h.Get("WWW-Authenticate"); (challenge != "") != (tt.location == "") {
				t.Errorf("challenge %q", challenge)
			}
			if over := strings.Contains(tt.name, "session"); over != (len(s.cleared(w)) == 1) {
				t.Errorf("cleared: %v", h["Set-Cookie"])
			}
		})
	}
	bare := navigation("/x")
	bare.RequestURI = "" // as requests are that no server has read
	w := httptest.NewRecorder()
	if middleware.ToLogin("/in?from=app")(w, bare, middleware.ErrNoToken); w.Header().Get("Location") != "/in?from=app&return_to=%2Fx" {
		t.Errorf("a login page with a query: %v", w.Header())
	}
	for _, err := range []error{middleware.ErrForbidden, middleware.ErrInsufficientScope, middleware.ErrUnavailable, middleware.ErrInvalidRequest} {
		if middleware.ToLogin("/login")(httptest.NewRecorder(), navigation("/x"), err) {
			t.Errorf("%v: a login would not help", err)
		}
	}
}

func navigation(target string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	return r
}

func TestRequireAny(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	tests := []struct {
		name   string
		h      http.Handler
		token  string
		status int
		scope  string
	}{
		{"the first", guard.RequireAny("read", "admin")(done), "u1", 200, ""},
		{"the last", guard.RequireAny("admin", "read")(done), "u1", 200, ""},
		{"none", guard.RequireAny("write", "admin")(done), "u1", 403, "write"},
		{"not by prefix", guard.RequireAny("rea", "read_all", "READ")(done), "u1", 403, "rea"},
		{"inside all", guard.Require("read")(guard.RequireAny("write", "admin")(done)), "u1", 403, "write"},
		{"around all", guard.RequireAny("read", "admin")(guard.Require("write", "read")(done)), "u1", 403, "write read"},
		{"nobody", guard.RequireAny("read")(done), "", 401, ""},
		{"unknown", guard.RequireAny("read")(done), "unknown", 401, ""},
	}
	for _, tt := range tests {
		w := serve(tt.h, request("GET", "/", tt.token))
		if got := guardtest.Challenge(t, w.Header())["scope"]; w.Code != tt.status || got != tt.scope {
			t.Errorf("%s: %d, scope %q", tt.name, w.Code, got)
		}
	}
	if _, err := guard.CheckAny(httptest.NewRecorder(), request("GET", "/", "u1")); !errors.Is(err, middleware.ErrInsufficientScope) {
		t.Errorf("any of none: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("any of none was mounted")
		}
	}()
	guard.RequireAny()
}
