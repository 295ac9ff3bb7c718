package authserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func exampleSigner(kid string) *jose.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // a real one is kept in a file or a KMS
	if err != nil {
		panic(err)
	}
	signer, err := jose.NewSigner("ES256", kid, key)
	if err != nil {
		panic(err)
	}
	return signer
}

// A provider with OpenID Connect: signed ID tokens, and access tokens that an API checks by itself.
func ExampleOptions() {
	tokens, err := memstore.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	srv, err := authserver.New(tokens, checkPassword, []authserver.Client{{
		ID: "web", Secret: "s3cret", RedirectURIs: []string{"https://web.example/callback"},
		Scopes: []string{"openid", "read"}, Dialect: &authserver.Dialect{Audience: []string{"https://api.example"}},
	}}, &authserver.Options{
		Issuer: "https://login.example",
		Keys:   []*jose.Signer{exampleSigner("2026-11")},
		Scopes: map[string]string{"read": "Read your articles"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/authorize", srv.Authorize())
	mux.Handle("/token", srv.Token())
	mux.Handle("/jwks", srv.JWKS())
	mux.Handle("/userinfo", srv.UserInfo("openid"))
	mux.Handle("/.well-known/openid-configuration", srv.Metadata(authserver.Endpoints{
		Authorize: "/authorize", Token: "/token", JWKS: "/jwks", UserInfo: "/userinfo",
	}))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/openid-configuration", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), `"jwks_uri":"https://login.example/jwks"`))
	// Output: 200 true
}

// A new key is published first, signs later, and the old one goes when its last token has expired.
func ExampleServer_SetKeys() {
	tokens, err := memstore.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	before, after := exampleSigner("2026-11"), exampleSigner("2026-12")
	srv, err := authserver.New(tokens, nil, []authserver.Client{{
		ID: "robot", Secret: "s3cret", Grants: []string{"client_credentials"},
		Dialect: &authserver.Dialect{Audience: []string{"https://api.example"}},
	}}, &authserver.Options{Issuer: "https://login.example", Keys: []*jose.Signer{before}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, keys := range [][]*jose.Signer{
		{before, after}, // now
		{after, before}, // as soon as everybody has fetched it: JWKS may be cached for 5 minutes
		{after},         // AccessTTL later
	} {
		if err := srv.SetKeys(keys...); err != nil {
			fmt.Println(err)
			return
		}
		w := httptest.NewRecorder()
		srv.JWKS().ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
		fmt.Println(strings.Count(w.Body.String(), `"kid"`))
	}
	// Output:
	// 2
	// 2
	// 1
}
