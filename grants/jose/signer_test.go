package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	keys := signingKeys(t)
	small := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}}
	huge := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8192), E: 65537}}
	for name, test := range map[string]struct {
		alg string
		key any
	}{
		"none": {"none", nil}, "nil": {"RS256", nil}, "short secret": {"HS256", secret[:31]}, "short for 384": {"HS384", secret}, "another curve": {"ES256", keys["ES384"]},
		"another type": {"RS256", keys["ES256"]}, "public": {"RS256", keys["RS256"].(*rsa.PrivateKey).Public()}, "text": {"HS256", string(secret)}, "weak RSA": {"RS256", small}, "huge RSA": {"RS256", huge},
	} {
		if _, err := jose.NewSigner(test.alg, "", test.key); err == nil || !strings.HasPrefix(err.Error(), "jose: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	s, err := jose.NewSigner("HS256", "k1", secret)
	if err != nil {
		t.Fatal(err)
	}
	if token, err := s.Sign(map[string]any{"typ": "at+jwt"}, map[string]int{"a": 1}); err != nil ||
		!strings.HasPrefix(token, "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.eyJhIjoxfQ.") {
		t.Errorf("%s, %v", token, err)
	}
	for name, test := range map[string]struct {
		header map[string]any
		claims any
	}{
		"alg": {map[string]any{"alg": "none"}, nil}, "kid": {map[string]any{"kid": "x"}, nil}, "crit": {map[string]any{"crit": []string{}}, nil}, "b64": {map[string]any{"b64": false}, nil},
		"claims nil": {nil, nil}, "claims list": {nil, []int{1}}, "claims text": {nil, "x"}, "claims func": {nil, func() {}}, "header func": {map[string]any{"x": func() {}}, map[string]int{}},
	} {
		if test.claims == nil && test.header != nil {
			test.claims = map[string]int{}
		}
		if token, err := s.Sign(test.header, test.claims); err == nil || token != "" {
			t.Errorf("%s: %s, %v", name, token, err)
		}
	}
	if s.JWK() != nil || s.Thumbprint() != "" {
		t.Error("a secret has a public form")
	}
}

// broken is a key in hardware that does not do what it should.
type broken struct {
	crypto.Signer
	answer []byte
	err    error
}

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return b.answer, b.err }

func TestSignWithBrokenHardware(t *testing.T) {
	t.Parallel()
	key := signingKeys(t)["ES256"].(*ecdsa.PrivateKey)
	for name, b := range map[string]broken{
		"fails": {key, nil, errors.New("no hardware")}, "rubbish": {key, []byte("x"), nil}, "trailing": {key, []byte{0x30, 6, 2, 1, 1, 2, 1, 1, 0}, nil},
		"negative": {key, []byte{0x30, 6, 2, 1, 0xff, 2, 1, 1}, nil}, "too large": {key, append([]byte{0x30, 38, 2, 33, 1}, append(make([]byte, 32), 2, 1, 1)...), nil},
	} {
		s, err := jose.NewSigner("ES256", "", b)
		if err != nil {
			t.Fatal(err)
		}
		if token, err := s.Sign(nil, map[string]int{}); err == nil || token != "" || strings.Contains(err.Error(), "x") && name == "rubbish" && len(err.Error()) > 80 {
			t.Errorf("%s: %s, %v", name, token, err)
		}
	}
}

// Appendices A.3 and A.4 of OpenID Connect Core 1.0 print these.
func TestHalfHash(t *testing.T) {
	t.Parallel()
	const access, atHash = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"
	const code, cHash = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA"
	for alg, key := range signingKeys(t) {
		s, err := jose.NewSigner(alg, "", key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(alg, "256") && (s.HalfHash(access) != atHash || s.HalfHash(code) != cHash) {
			t.Errorf("%s: %q, %q", alg, s.HalfHash(access), s.HalfHash(code))
		}
		token, err := s.Sign(nil, json.RawMessage(claims(nil)))
		if err != nil {
			t.Fatal(err)
		}
		v := verifier()
		v.Keys, v.Algorithms = jose.KeySet{s.Key()}, []string{alg}
		c, err := v.Verify(t.Context(), token)
		if err != nil || c.HalfHash(access) != s.HalfHash(access) {
			t.Errorf("%s: %v", alg, err)
		}
		if want := map[string]int{"256": 22, "384": 32, "512": 43, "DSA": 43}[alg[2:]]; len(s.HalfHash(access)) != want {
			t.Errorf("%s: %q", alg, s.HalfHash(access))
		}
	}
	if (&jose.Claims{}).HalfHash(access) != "" {
		t.Error("claims of no token have a hash")
	}
}
