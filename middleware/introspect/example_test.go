package introspect_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/introspect"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// login is an authorization server in the same process, for the examples: alice's password is wonderland.
func login() *httptest.Server {
	tokens, err := memstore.New(nil)
	if err != nil {
		panic(err)
	}
	check := func(_ context.Context, username, password string) (string, error) {
		if username == "alice" && password == "wonderland" {
			return "42", nil
		}
		return "", store.ErrNotFound
	}
	srv, err := authserver.New(tokens, check, []authserver.Client{
		{ID: "cli", Secret: "of-cli", Grants: []string{"password"}, Scopes: []string{"read", "write"}},
		{ID: "api", Secret: "of-api", Grants: []string{}, ResourceServer: true},
	}, nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/token", srv.Token())
	mux.Handle("/introspect", srv.Introspect())
	mux.Handle("/revoke", srv.Revoke())
	return httptest.NewServer(mux)
}

func get(h http.Handler, token string) {
	r := httptest.NewRequest("GET", "/me", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)
}

func ExampleNew() {
	id := login()
	defer id.Close()
	tokens, err := introspect.New(&grants.Client{IntrospectURL: id.URL + "/introspect", ID: "api", Secret: "of-api"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := middleware.New(tokens, middleware.Self, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	me := guard.Require("read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, _ := guard.User(r.Context())
		fmt.Fprintln(w, "user", rec.Subject, "with", rec.Token.Scopes)
	}))

	cli := &grants.Client{TokenURL: id.URL + "/token", RevokeURL: id.URL + "/revoke", ID: "cli", Secret: "of-cli"}
	token, err := cli.Password(context.Background(), "alice", "wonderland", "read")
	if err != nil {
		fmt.Println(err)
		return
	}
	get(me, token.AccessToken)
	get(me, "stolen")
	// Output:
	// 200 user 42 with [read]
	// 401 {"error":"invalid_token","error_description":"the token is not valid"}
}

// A service that revokes tokens itself need not wait until the answers it keeps are too old.
func ExampleVerifier_Forget() {
	id := login()
	defer id.Close()
	tokens, _ := introspect.New(&grants.Client{IntrospectURL: id.URL + "/introspect", ID: "api", Secret: "of-api"}, &introspect.Options{Life: time.Hour})
	guard, _ := middleware.New(tokens, middleware.Self, nil)
	me := guard.Require("read")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "welcome") }))

	cli := &grants.Client{Provider: "id", TokenURL: id.URL + "/token", RevokeURL: id.URL + "/revoke", ID: "cli", Secret: "of-cli"}
	token, err := cli.Password(context.Background(), "alice", "wonderland", "read")
	if err != nil {
		fmt.Println(err)
		return
	}
	get(me, token.AccessToken)
	if err := cli.Revoke(context.Background(), &store.Record{Provider: "id", Token: token}); err != nil {
		fmt.Println(err)
		return
	}
	get(me, token.AccessToken) // for an hour
	tokens.Forget(token.AccessToken)
	get(me, token.AccessToken)
	// Output:
	// 200 welcome
	// 200 welcome
	// 401 {"error":"invalid_token","error_description":"the token is not valid"}
}
