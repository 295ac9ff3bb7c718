package jwtauth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
	"github.com/tokenkeep/tokenkeep/store"
)

func ExampleNew() {
	_, private, _ := ed25519.GenerateKey(nil)
	signer, _ := jose.NewSigner("EdDSA", "2026-11", private)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.KeySet{signer.Key()})
	}))
	defer issuer.Close()

	keys, err := jose.NewRemote(issuer.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	tokens, err := jwtauth.New(&jose.Verifier{
		Keys: keys, Algorithms: []string{"EdDSA"}, Issuer: "https://issuer.example", Audience: []string{"https://api.example"},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := middleware.New(tokens, middleware.Self, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	me := guard.Require("profile")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, _ := guard.User(r.Context())
		var more struct {
			Tenant string `json:"tenant"`
		}
		if err := json.Unmarshal(rec.Token.Extra, &more); err != nil {
			http.Error(w, "claims", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "user", rec.Subject, "of", more.Tenant)
	}))

	claims := map[string]any{
		"iss": "https://issuer.example", "aud": "https://api.example", "sub": "42", "client_id": "web", "jti": "1", "scope": "profile",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "tenant": "blue",
	}
	access, _ := signer.Sign(map[string]any{"typ": "at+jwt"}, claims)
	idToken, _ := signer.Sign(map[string]any{"typ": "JWT"}, claims)
	for _, token := range []string{access, idToken} {
		w := httptest.NewRecorder()
		me.ServeHTTP(w, request(token))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 user 42 of blue
	// 401 {"error":"invalid_token","error_description":"the token is not valid"}
}

// A token cannot be revoked, but a resolver runs on every request and may know better.
func ExampleVerifier_revoked() {
	_, private, _ := ed25519.GenerateKey(nil)
	signer, _ := jose.NewSigner("EdDSA", "", private)
	tokens, err := jwtauth.New(&jose.Verifier{
		Keys: jose.KeySet{signer.Key()}, Algorithms: []string{"EdDSA"}, Issuer: "me", Audience: []string{"api"},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	revoked := map[string]bool{}
	guard, err := middleware.New(tokens, func(_ context.Context, rec *store.Record) (string, error) {
		if revoked[rec.ID] {
			return "", store.ErrNotFound
		}
		return rec.Subject, nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, _ := signer.Sign(map[string]any{"typ": "at+jwt"}, map[string]any{
		"iss": "me", "aud": "api", "sub": "42", "client_id": "web", "jti": "the one", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60,
	})
	for range 2 {
		w := httptest.NewRecorder()
		guard.Require()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, request(token))
		fmt.Println(w.Code)
		revoked["the one"] = true
	}
	// Output:
	// 200
	// 401
}
