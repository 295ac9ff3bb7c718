package weblogin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// newOIDCSite signs in at a provider with ID tokens; by them alone if byID is set.
func newOIDCSite(t *testing.T, byID bool) *site {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner("ES256", "k1", key)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, &config{byID: byID, client: func(c *grants.Client) {
		c.Scopes, c.Keys = []string{"openid"}, jose.KeySet{signer.Key()}
	}})
	s.idClaims = map[string]any{
		"iss": "https://as.example", "sub": "24400320", "aud": "client", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	s.provider.idToken = func() string {
		text, err := signer.Sign(nil, s.idClaims)
		if err != nil {
			t.Error(err)
		}
		return text
	}
	return s
}

// With OpenID Connect users need no function to be told apart.
func TestIdentifiedByIDToken(t *testing.T) {
	t.Parallel()
	s := newOIDCSite(t, true)
	b := s.browser()
	state := b.start("/login")
	s.idClaims["nonce"] = b.nonce
	if w := b.callback("code=C&state=" + state); w.Code != 303 || b.user() != "as 24400320" {
		t.Errorf("%d, user %q: %s", w.Code, b.user(), s.logs)
	}
	before := b.session()
	state = b.connect("/connect")
	s.idClaims["sub"], s.idClaims["nonce"] = "somebody else", b.nonce
	if w := b.callback("code=C&state=" + state); w.Code != 303 || b.user() != "as 24400320" || b.session() != before {
		t.Errorf("connecting: %d, user %q", w.Code, b.user())
	}
}

// An ID token that is not in order signs nobody in, and what came with it is given back.
func TestIDTokenFaults(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(claims map[string]any){
		"nonce":    func(c map[string]any) { c["nonce"] = "other" },
		"no nonce": func(c map[string]any) { delete(c, "nonce") },
		"issuer":   func(c map[string]any) { c["iss"] = "https://other.example" },
		"audience": func(c map[string]any) { c["aud"] = "another-client" },
		"party":    func(c map[string]any) { c["azp"] = "another-client" },
		"expired":  func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
		"at_hash":  func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" },
		"no sub":   func(c map[string]any) { delete(c, "sub") },
	} {
		s := newOIDCSite(t, true)
		b := s.browser()
		state := b.start("/login")
		s.idClaims["nonce"] = b.nonce
		change(s.idClaims)
		w := b.callback("code=C&state=" + state)
		if w.Code != 400 || b.session() != "" || s.provider.revoke != 1 || len(s.provider.asked) != 1 {
			t.Errorf("%s: %d, revoked %d times", name, w.Code, s.provider.revoke)
		}
	}
}

func TestNilIdentifyNeedsOIDC(t *testing.T) {
	t.Parallel()
	s := newOIDCSite(t, true)
	for _, change := range []func(*grants.Client){
		func(c *grants.Client) { c.Keys = nil }, func(c *grants.Client) { c.Issuer = "" }, func(c *grants.Client) { c.Scopes = nil },
	} {
		c := *s.client
		change(&c)
		ring, _ := seal.New(seal.NewKey())
		_, err := weblogin.New(&c, &middleware.Session{Keeper: s.keep, Ring: ring}, nil, nil)
		if err == nil || !strings.Contains(err.Error(), "identify") {
			t.Errorf("%v", err)
		}
	}
}
