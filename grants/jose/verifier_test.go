package jose_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

const issuer, audience = "https://issuer.example", "https://api.example"

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for alg, key := range signingKeys(t) {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			signer, err := jose.NewSigner(alg, "k1", key)
			if err != nil {
				t.Fatal(err)
			}
			token, err := signer.Sign(nil, map[string]any{"iss": issuer, "aud": audience, "sub": "42", "exp": time.Now().Add(time.Hour).Unix()})
			if err != nil {
				t.Fatal(err)
			}
			v := &jose.Verifier{Keys: jose.KeySet{signer.Key()}, Algorithms: []string{alg}, Issuer: issuer, Audience: []string{audience}}
			c, err := v.Verify(t.Context(), token)
			if err != nil || c.Subject != "42" {
				t.Fatalf("%v, %v", c, err)
			}
			for i := range token {
				if i%7 != 0 && i < len(token)-3 {
					continue
				}
				forged := []byte(token)
				forged[i] ^= 1
				if _, err := v.Verify(context.Background(), string(forged)); !errors.Is(err, jose.ErrInvalid) {
					t.Fatalf("byte %d changed: %v", i, err)
				}
			}
		})
	}
}

func signingKeys(t testing.TB) map[string]any {
	t.Helper()
	secret := make([]byte, 64)
	rand.Read(secret)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]any{"HS256": secret, "HS384": secret, "HS512": secret}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		keys[alg] = rsaKey
	}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		if keys[alg], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	_, keys["EdDSA"], _ = ed25519.GenerateKey(rand.Reader)
	return keys
}
