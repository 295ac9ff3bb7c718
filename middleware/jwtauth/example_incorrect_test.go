package jwtauth_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
)

// Issuers of plain JWTs need their types named, or all of their tokens are refused.
func ExampleNew_incorrect() {
	_, private, _ := ed25519.GenerateKey(nil)
	signer, _ := jose.NewSigner("EdDSA", "", private)
	rules := &jose.Verifier{Keys: jose.KeySet{signer.Key()}, Algorithms: []string{"EdDSA"}, Issuer: "me", Audience: []string{"api"}}
	token, _ := signer.Sign(nil, map[string]any{"iss": "me", "aud": "api", "sub": "42", "exp": time.Now().Unix() + 60})
	for _, types := range [][]string{nil, {"JWT", ""}} {
		rules.Types = types
		tokens, _ := jwtauth.New(rules, nil)
		rec, err := tokens.Verify(context.Background(), token)
		fmt.Println(rec != nil, err)
	}
	// Output:
	// false jwtauth: jose: invalid token: typ not accepted
	// true <nil>
}
