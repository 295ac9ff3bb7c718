package jose_test

import (
	"fmt"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// Without audience and issuer a verifier is not configured, and says so instead of accepting tokens for anybody.
func ExampleVerifier_incorrect() {
	tokens := &jose.Verifier{Keys: jose.KeySet{{Public: []byte("my secret")}}, Algorithms: []string{"HS256", "RS256"}}
	fmt.Println(tokens.Validate())
	// Output:
	// jose: algorithms ["HS256" "RS256"]: HMAC together with public keys
	// jose: no issuer
	// jose: no audience, or an empty one
}
