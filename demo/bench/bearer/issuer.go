// Package bearer is table 1: a protected request with a self-contained access token, a JWT of about 600 bytes.
package bearer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

// Algorithms are those measured.
var Algorithms = []string{"HS256", "RS256", "ES256", "EdDSA"}

const (
	issuerURL = "https://issuer.example"
	audience  = "https://api.example"
	keyID     = "key-2026-11"
	scopeText = "openid profile email orders:read orders:write"
)

// issuer signs tokens with one key.
type issuer struct {
	alg    string
	method jwt.SigningMethod
	key    any // to sign with
	public any // to verify with
}

func newIssuer(alg string) (*issuer, error) {
	i := &issuer{alg: alg, method: jwt.GetSigningMethod(alg)}
	var err error
	switch alg {
	case "HS256":
		secret := make([]byte, 32)
		rand.Read(secret)
		i.key, i.public = secret, secret
		return i, nil
	case "RS256":
		i.key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, i.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("no algorithm %q", alg)
	}
	if err != nil {
		return nil, err
	}
	i.public = i.key.(crypto.Signer).Public()
	return i, nil
}

// claims are those of an access token (RFC 9068), padded to a usual size.
func claims(n int) jwt.MapClaims {
	now := time.Now()
	return jwt.MapClaims{
		"iss": issuerURL, "aud": audience, "sub": site.UserName(n), "client_id": "app-4711", "jti": fmt.Sprintf("jti-%012d", n),
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": scopeText, "tenant": strings.Repeat("t", 100),
	}
}

func (i *issuer) sign(c jwt.MapClaims) (string, error) {
	t := jwt.NewWithClaims(i.method, c)
	t.Header["kid"], t.Header["typ"] = keyID, "at+jwt"
	return t.SignedString(i.key)
}

// fill gives a site its requests: n users' tokens, and tokens with one fault each.
func (i *issuer) fill(s *site.Site, n int) error {
	var first string
	for u := range n {
		token, err := i.sign(claims(u))
		if err != nil {
			return err
		}
		if u == 0 {
			first = token
		}
		s.Good = append(s.Good, site.Bearer(token))
	}
	changed := map[string]func(c jwt.MapClaims){
		"an expired token":            func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
		"a token that never expires":  func(c jwt.MapClaims) { delete(c, "exp") },
		"a token for somebody else":   func(c jwt.MapClaims) { c["aud"] = "https://other.example" },
		"another issuer's token":      func(c jwt.MapClaims) { c["iss"] = "https://other.example" },
		"a token for another purpose": func(c jwt.MapClaims) { c["scope"] = "openid" },
	}
	s.Bad = map[string]*http.Request{}
	for what, change := range changed {
		c := claims(0)
		change(c)
		token, err := i.sign(c)
		if err != nil {
			return err
		}
		s.Bad[what] = site.Bearer(token)
	}
	return i.forge(s, first)
}

// forge adds tokens that this issuer never signed.
func (i *issuer) forge(s *site.Site, good string) error {
	s.Bad["no token"] = site.Bearer("")
	parts := strings.Split(good, ".")
	s.Bad["a bad signature"] = site.Bearer(parts[0] + "." + parts[1] + "." + site.Flip(parts[2]))
	s.Bad["changed claims"] = site.Bearer(parts[0] + "." + site.Flip(parts[1]) + "." + parts[2])
	s.Bad["8 kB of rubbish"] = site.Bearer(strings.Repeat("x", 8000))
	s.Bad["8 kB of dots"] = site.Bearer(strings.Repeat(".", 8000))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`))
	s.Bad["alg none"] = site.Bearer(none + "." + parts[1] + ".")
	s.Bad["alg none, the old signature"] = site.Bearer(none + "." + parts[1] + "." + parts[2])
	stranger, err := newIssuer(i.alg)
	if err != nil {
		return err
	}
	forged, err := stranger.sign(claims(0))
	if err != nil {
		return err
	}
	s.Bad["a stranger's signature"] = site.Bearer(forged)
	if i.alg == "HS256" {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(i.public)
	if err != nil {
		return err
	}
	confused := &issuer{method: jwt.SigningMethodHS256, key: der}
	if forged, err = confused.sign(claims(0)); err != nil {
		return err
	}
	s.Bad["the public key as an HMAC secret"] = site.Bearer(forged)
	return nil
}
