package authserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func checkPassword(_ context.Context, username, password string) (string, error) {
	if username == "alice" && password == "wonderland" { // a real one compares hashes
		return "42", nil
	}
	return "", store.ErrNotFound
}

// A service issues tokens by password and checks them itself.
func ExampleServer_Verify() {
	tokens, err := memstore.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	srv, err := authserver.New(tokens, checkPassword, []authserver.Client{
		{ID: "cli", Secret: "s3cret", Grants: []string{"password", "refresh_token"}, Scopes: []string{"read"}},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ts := httptest.NewServer(srv.Token())
	defer ts.Close()

	res, err := http.PostForm(ts.URL, url.Values{
		"grant_type": {"password"}, "username": {"alice"}, "password": {"wonderland"},
		"client_id": {"cli"}, "client_secret": {"s3cret"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	var token struct {
		Access  string `json:"access_token"`
		Expires int    `json:"expires_in"`
	}
	if err := json.NewDecoder(res.Body).Decode(&token); err != nil {
		fmt.Println(err)
		return
	}
	rec, err := srv.Verify(context.Background(), token.Access)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.StatusCode, token.Expires, rec.Subject, rec.Token.Scopes)
	// Output: 200 3600 42 [read]
}

// Endpoints that must stay as their callers know them are dialects; several share one server, its users and its store.
func ExampleDialect() {
	tokens, err := memstore.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	old := &authserver.Dialect{ // JSON bodies, credentials in them, an absolute expiry; the refresh token stays as it is
		JSON: true, AuthMethods: []string{"client_secret_post"}, Expires: true, RefreshExpiresIn: true,
		RefreshTTL: 7 * 24 * time.Hour, Rotation: authserver.RotateNever, OmitRefresh: true,
	}
	srv, err := authserver.New(tokens, checkPassword, []authserver.Client{
		{ID: "ui", Secret: "s3cret", Grants: []string{"password", "refresh_token"}, Dialect: old},
		{ID: "cli", Secret: "s3cret", Grants: []string{"password", "refresh_token"}},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/oauth/token", srv.Token(old))
	mux.Handle("/token", srv.Token(nil)) // plain RFC 6749
	fmt.Println("ready")
	// Output: ready
}
