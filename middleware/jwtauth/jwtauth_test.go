package jwtauth_test

import (
	"maps"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

const issuer, audience = "https://issuer.example/tenants/5f1c7d0e-8a0a-4a2c-9d4e-5a2f6e0d8b11/v2.0", "https://api.example"

func rules(s *jose.Signer) *jose.Verifier {
	return &jose.Verifier{
		Keys: jose.KeySet{s.Key()}, Algorithms: []string{s.Key().Algorithm}, Issuer: issuer, Audience: []string{audience},
	}
}

// mint makes a token of a usual size; members of but replace others, nil takes one away.
func mint(tb testing.TB, s *jose.Signer, but map[string]any) string {
	tb.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": issuer, "aud": audience, "sub": "42", "exp": now + 3600, "iat": now, "nbf": now, "jti": "0f0e9b32-9f53-4f4e-a0c0-6a1d2e0f7c11",
		"client_id": "web", "scope": "read write profile", "email": "alice@example.com", "auth_time": now,
	}
	maps.Copy(claims, but)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token, err := s.Sign(map[string]any{"typ": "at+jwt"}, claims)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

