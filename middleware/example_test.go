package middleware_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

type account struct{ Name string }

// accounts is the application's user table.
var accounts = map[string]*account{"42": {Name: "Alice"}}

// byRecord is the application's resolver: from what a token stands for to a user.
func byRecord(_ context.Context, rec *store.Record) (*account, error) {
	if user, ok := accounts[rec.Subject]; ok {
		return user, nil
	}
	return nil, store.ErrNotFound
}

// issued is a verifier; services usually pass a *keeper.Keeper.
func issued(_ context.Context, credential string) (*store.Record, error) {
	if credential != "alice-token" {
		return nil, store.ErrNotFound
	}
	return &store.Record{Subject: "42", Token: store.Token{Scopes: []string{"profile"}}}, nil
}

func call(h http.Handler, token string) {
	r := httptest.NewRequest("GET", "/me", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.TrimSpace(w.Header().Get("WWW-Authenticate")+" "+w.Body.String()))
}

func ExampleGuard_Require() {
	guard, err := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /me", guard.Require("profile")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := guard.User(r.Context())
		fmt.Fprintln(w, "hello", user.Name)
	})))
	call(mux, "alice-token")
	call(mux, "")
	call(mux, "stolen")
	// Output:
	// 200 hello Alice
	// 401 Bearer realm="api" {}
	// 401 Bearer realm="api", error="invalid_token", error_description="the token is not valid" {"error":"invalid_token","error_description":"the token is not valid"}
}

func ExampleGuard_Optional() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	h := guard.Optional()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, ok := guard.User(r.Context()); ok {
			fmt.Fprintln(w, "hello", user.Name)
			return
		}
		fmt.Fprintln(w, "hello, whoever you are")
	}))
	call(h, "")
	call(h, "alice-token")
	// Output:
	// 200 hello, whoever you are
	// 200 hello Alice
}

// A handler is tested without any token: WithUser puts a user into the request.
func ExampleGuard_WithUser() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	h := guard.Require("profile")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := guard.User(r.Context())
		fmt.Fprintln(w, "hello", user.Name)
	}))
	r := httptest.NewRequest("GET", "/me", nil)
	r = r.WithContext(guard.WithUser(r.Context(), &account{Name: "Test"}, "profile"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output: hello Test
}

// Check and Deny apart, for a route that mixes protected and public parts.
func ExampleGuard_Check() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	call(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/public/") {
			return
		}
		r, err := guard.Check(w, r, "admin")
		if err != nil {
			guard.Deny(w, r, err)
			return
		}
		fmt.Fprintln(w, "welcome")
	}), "alice-token")
	// Output: 403 Bearer realm="api", error="insufficient_scope", error_description="the token lacks a required scope", scope="admin" {"error":"insufficient_scope","error_description":"the token lacks a required scope"}
}

// A program that meets a challenge finds out from the metadata where to get a token (RFC 9728), as MCP clients do.
func ExampleGuard_Metadata() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, &middleware.Options{
		Resource:             "https://api.example/mcp",
		AuthorizationServers: []string{"https://login.example"},
	})
	mux := http.NewServeMux()
	mux.Handle(guard.Metadata())
	mux.Handle("/mcp", guard.Require()(http.NotFoundHandler()))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "https://api.example/mcp", nil))
	_, rest, _ := strings.Cut(w.Header().Get("WWW-Authenticate"), `resource_metadata="`)
	url, _, _ := strings.Cut(rest, `"`)
	fmt.Println(url)
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
	fmt.Println(w.Body)
	// Output:
	// https://api.example/.well-known/oauth-protected-resource/mcp
	// {"resource":"https://api.example/mcp","authorization_servers":["https://login.example"],"bearer_methods_supported":["header"]}
}

var quiet = &middleware.Options{Logger: slog.New(slog.DiscardHandler)}
