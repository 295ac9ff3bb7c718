package grants_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

const longSecret = "a-client-secret-of-thirty-two-bytes"

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// signer makes a key for an algorithm, named after it.
func signer(alg string) *jose.Signer {
	var key any
	switch alg[:2] {
	case "HS":
		key = []byte(longSecret + longSecret)
	case "RS", "PS":
		key = rsaKey()
	case "ES":
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
		key, _ = ecdsa.GenerateKey(curve, rand.Reader)
	default:
		_, key, _ = ed25519.GenerateKey(rand.Reader)
	}
	s, err := jose.NewSigner(alg, "key-"+alg, key)
	if err != nil {
		panic(err)
	}
	return s
}

// everywhere calls each endpoint at which a client authenticates.
func everywhere(t *testing.T, c *grants.Client, s *script) []seen {
	t.Helper()
	c.PARURL, c.DeviceURL, c.IntrospectURL = s.URL+"/par", s.URL+"/device", s.URL+"/introspect"
	rec := &store.Record{Token: store.Token{RefreshToken: "RT"}}
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := c.Exchange(t.Context(), f, url.Values{"code": {"C"}, "state": {f.State}})
	_, err2 := c.Refresh(t.Context(), rec)
	_, err3 := c.ClientCredentials(t.Context())
	_, err4 := c.Device(t.Context())
	_, err5 := c.Introspect(t.Context(), "AT")
	if err := errors.Join(err1, err2, err3, err4, err5, c.Revoke(t.Context(), rec)); err != nil {
		t.Fatal(err)
	}
	return s.requests()
}

// everything is an answer that suits every endpoint.
const everything = `{"access_token":"AT","token_type":"Bearer","expires_in":3600,"request_uri":"urn:x","device_code":"D","user_code":"U",` +
	`"verification_uri":"https://as.example/device","active":true}`

// RFC 7523 section 3: who the client is, for this server, this request and one minute, on every endpoint alike.
func TestClientAssertions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		alg      string // of the Signer; empty: the secret signs
		encoding grants.Encoding
		issuer   string
		audience string
		want     string // aud; "" for the token endpoint
	}{
		{"ES256, issuer known", "ES256", grants.Form, "https://as.example", "", "https://as.example"},
		{"RS256, JSON", "RS256", grants.JSON, "https://as.example", "", "https://as.example"},
		{"PS256", "PS256", grants.Form, "https://as.example", "", "https://as.example"},
		{"EdDSA, issuer unknown", "EdDSA", grants.Form, "", "", ""},
		{"audience insisted upon", "ES384", grants.Form, "https://as.example", "https://as.example/token", "https://as.example/token"},
		{"secret", "", grants.Form, "https://as.example", "", "https://as.example"},
		{"secret, issuer unknown, JSON", "", grants.JSON, "", "", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, 200, everything)
			c := s.client()
			c.Issuer, c.Encoding, c.AssertionAudience = tc.issuer, tc.encoding, tc.audience
			v := &jose.Verifier{Issuer: "id", Audience: []string{tc.want}, Leeway: -1, Now: fixed, Required: []string{"jti", "iat"}}
			if tc.want == "" {
				v.Audience = []string{c.TokenURL}
			}
			if tc.alg == "" {
				c.Auth, c.Secret = grants.ClientSecretJWT, longSecret
				v.Algorithms, v.Keys = []string{"HS256"}, jose.KeySet{{Public: []byte(longSecret)}}
			} else {
				c.Auth, c.Secret, c.Signer = grants.PrivateKeyJWT, "", signer(tc.alg)
				v.Algorithms, v.Keys = []string{tc.alg}, jose.KeySet{c.Signer.Key()}
			}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			ids := map[string]bool{}
			requests := everywhere(t, c, s)
			for _, r := range requests {
				field := func(name string) string {
					if tc.encoding == grants.JSON {
						text, _ := r.object(t)[name].(string)
						return text
					}
					return r.form(t).Get(name)
				}
				claims, err := v.Verify(t.Context(), field("client_assertion"))
				if err != nil {
					t.Fatalf("%s: %v", r.URI, err)
				}
				if claims.Subject != "id" || len(claims.Audience) != 1 || claims.Get("aud")[0] != '"' ||
					!claims.IssuedAt.Equal(t0) || claims.Expires.Sub(t0) != time.Minute {
					t.Errorf("%s: %s", r.URI, claims.Payload)
				}
				ids[claims.ID] = true
				if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || field("client_id") != "id" ||
					field("client_secret") != "" || r.Header.Get("Authorization") != "" {
					t.Errorf("%+v", r)
				}
			}
			if len(ids) != 7 || len(requests) != 7 {
				t.Errorf("%d jti in %d requests, want 7", len(ids), len(requests))
			}
		})
	}
}

// A key that does not answer has sent nothing, so the grant is as good as before.
func TestAssertionKeyUnavailable(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.Auth, c.Secret = grants.PrivateKeyJWT, ""
	if c.Signer, err = jose.NewSigner("ES256", "", downKMS{&key.PublicKey}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: "RT"}})
	var e *grants.Error
	if !errors.As(err, &e) || e.Outcome() != keeper.RetryLater || len(s.requests()) != 0 || !strings.Contains(err.Error(), "kms is down") {
		t.Errorf("%v after %d requests", err, len(s.requests()))
	}
}

type downKMS struct{ public *ecdsa.PublicKey }

func (k downKMS) Public() crypto.PublicKey { return k.public }

func (downKMS) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("kms is down")
}

// An assertion that the server echoes is in no error.
func TestAssertionsAreSecret(t *testing.T) {
	t.Parallel()
	s := echoing(t, "client_assertion")
	c := s.client()
	c.Auth, c.Secret, c.Signer = grants.PrivateKeyJWT, "", signer("ES256")
	_, err := c.Password(t.Context(), "u", "p")
	sent := s.only(t).form(t).Get("client_assertion")
	if err == nil || sent == "" || strings.Contains(err.Error(), sent) {
		t.Errorf("%v", err)
	}
}
