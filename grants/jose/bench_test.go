package jose_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// byHand is what one writes with golang-jwt: one algorithm, one key, issuer, audience and expiry checked.
func byHand(s *jose.Signer, alg string) func(token string) error {
	key := s.Key().Public
	parser := jwt.NewParser(jwt.WithValidMethods([]string{alg}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return func(token string) error {
		_, err := parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, func(*jwt.Token) (any, error) { return key, nil })
		return err
	}
}

// floor verifies and decodes with nothing to spare: no header, no check but the signature and the expiry.
func floor(s *jose.Signer, alg string) func(token string) error {
	key := s.Key().Public
	method := jwt.GetSigningMethod(alg)
	return func(token string) error {
		i := strings.LastIndexByte(token, '.')
		signature, err := base64.RawURLEncoding.DecodeString(token[i+1:])
		if err != nil {
			return err
		}
		if secret, ok := key.([]byte); ok {
			h := hmac.New(sha256.New, secret)
			h.Write([]byte(token[:i]))
			if !hmac.Equal(h.Sum(nil), signature) {
				return jose.ErrInvalid
			}
		} else if err := method.Verify(token[:i], signature, key); err != nil {
			return err
		}
		payload, err := base64.RawURLEncoding.DecodeString(token[strings.IndexByte(token, '.')+1 : i])
		if err != nil {
			return err
		}
		_, rest, ok := strings.Cut(string(payload), `"exp":`)
		if !ok || rest[:10] < fmt.Sprint(time.Now().Unix()) {
			return jose.ErrInvalid
		}
		return nil
	}
}

// BenchmarkFirstSight times one token by turns, so that what else the machine does hits all alike; the best of each.
func BenchmarkFirstSight(b *testing.B) {
	for _, alg := range []string{"HS256", "RS256", "PS256", "ES256", "EdDSA"} {
		s, err := jose.NewSigner(alg, "2026-11", signingKeys(b)[alg])
		if err != nil {
			b.Fatal(err)
		}
		good := map[string]any{"iss": issuer, "aud": audience, "sub": "42", "exp": time.Now().Unix() + 3600, "iat": time.Now().Unix(), "nbf": time.Now().Unix(),
			"jti": "0f0e9b32-9f53-4f4e-a0c0-6a1d2e0f7c11", "client_id": "web", "scope": "read write profile", "email": "alice@example.com", "auth_time": 1800000000,
			"realm_access": map[string]any{"roles": []string{"user", "editor"}}, "azp": "web", "sid": "2a6d3f0e-1c55-4f5a-9a54-0f6a3c7be9b1"}
		token, err := s.Sign(map[string]any{"typ": "JWT"}, good)
		if err != nil {
			b.Fatal(err)
		}
		v := &jose.Verifier{Keys: jose.KeySet{s.Key()}, Algorithms: []string{alg}, Issuer: issuer, Audience: []string{audience}}
		ours := func(token string) error { _, err := v.Verify(b.Context(), token); return err }
		good["exp"] = 1
		stale, _ := s.Sign(nil, good)
		ways := []struct {
			name  string
			token string
			f     func(string) error
		}{
			{"floor", token, floor(s, alg)}, {"jose", token, ours}, {"golang-jwt", token, byHand(s, alg)},
			{"jose, expired", stale, ours}, {"golang-jwt, expired", stale, byHand(s, alg)},
			{"jose, forged", token[:len(token)-6] + "AAAAAA", ours},
		}
		best := make([]time.Duration, len(ways))
		for range 300 {
			for i, way := range ways {
				start := time.Now()
				for range 20 {
					if err := way.f(way.token); (err == nil) != (way.token == token) {
						b.Fatal(way.name, err)
					}
				}
				if took := time.Since(start) / 20; best[i] == 0 || took < best[i] {
					best[i] = took
				}
			}
		}
		line := fmt.Sprintf("%s, %d bytes:", alg, len(token))
		for i, way := range ways {
			line += fmt.Sprintf("  %s %s", way.name, best[i])
		}
		b.Log(line)
	}
}
