package grants_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

// privateKey stands for the key that the application loads from where it keeps its secrets.
func privateKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// A client that signs instead of sending a secret (private_key_jwt). The server is given signer.JWK().
func ExampleClientAuth_privateKeyJWT() {
	signer, err := jose.NewSigner("ES256", "2026-01", privateKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &grants.Client{
		Issuer: "https://as.example", TokenURL: "https://as.example/token", ID: "app", Auth: grants.PrivateKeyJWT, Signer: signer,
	}
	client.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		v := &jose.Verifier{Keys: jose.KeySet{signer.Key()}, Algorithms: []string{"ES256"}, Issuer: "app", Audience: []string{"https://as.example"}}
		claims, err := v.Verify(r.Context(), r.PostForm.Get("client_assertion"))
		fmt.Println(claims.Subject, claims.Audience, claims.Expires.Sub(claims.IssuedAt), err)
		return response(200, `{"access_token":"AT"}`, http.Header{}), nil
	})}
	token, err := client.ClientCredentials(context.Background(), "read")
	fmt.Println(token.AccessToken, err)
	// Output:
	// app [https://as.example] 1m0s <nil>
	// AT <nil>
}

// Who has signed in, proved by the issuer's signature. With a client from Discover the keys are there already.
func ExampleClient_IDToken() {
	as, err := jose.NewSigner("ES256", "k1", privateKey()) // the server's
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &grants.Client{
		Issuer: "https://as.example", AuthorizeURL: "https://as.example/authorize", TokenURL: "https://as.example/token",
		ID: "app", Secret: "secret", RedirectURI: "https://app.example/callback", Scopes: []string{"openid"},
		Keys: jose.KeySet{as.Key()},
	}
	flow, err := client.AuthorizationCode(context.Background(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	idToken, err := as.Sign(nil, map[string]any{
		"iss": "https://as.example", "aud": "app", "sub": "42", "nonce": flow.Nonce,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client.HTTP = answers(`{"access_token":"AT","id_token":"` + idToken + `"}`)

	token, err := client.Exchange(context.Background(), flow, url.Values{"code": {"C"}, "state": {flow.State}})
	if err != nil {
		fmt.Println(err) // errors.Is(err, grants.ErrIDToken): nobody has signed in
		return
	}
	claims, err := client.IDToken(context.Background(), token)
	fmt.Println(claims.Issuer, claims.Subject, err)
	// Output: https://as.example 42 <nil>
}

// Tokens that are worth nothing without the client's key. Through a keeper's Client the proofs go along by themselves.
func ExampleDPoP() {
	key, err := jose.NewSigner("ES256", "", privateKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &grants.Client{
		Provider: "example", TokenURL: "https://as.example/token", ID: "app", Auth: grants.None, DPoP: &grants.DPoP{Key: key},
	}
	client.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		fmt.Println(r.URL, r.Header.Get("DPoP") != "")
		return response(200, `{"access_token":"AT","token_type":"DPoP"}`, http.Header{}), nil
	})}
	token, err := client.Refresh(context.Background(), &store.Record{Token: store.Token{RefreshToken: "RT"}})
	fmt.Println(token.TokenType, err)
	// Output:
	// https://as.example/token true
	// DPoP <nil>
}

// A client for an issuer that a user has named: it cannot be made to look into one's own network.
func ExamplePublicTransport() {
	_, err := grants.Discover(context.Background(), &grants.Client{
		Issuer: "http://127.0.0.1:1", ID: "app", Auth: grants.None, HTTP: &http.Client{Transport: grants.PublicTransport()},
	})
	fmt.Println(err)
	// Output: grants: discovery at http://127.0.0.1:1: retry_later: nothing was sent: dial tcp 127.0.0.1:1: grants: 127.0.0.1:1 is not a public address
}
