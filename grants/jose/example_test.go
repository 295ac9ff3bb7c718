package jose_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

func ExampleVerifier_Verify() {
	_, private, _ := ed25519.GenerateKey(nil)
	signer, err := jose.NewSigner("EdDSA", "2026-11", private)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := signer.Sign(map[string]any{"typ": "at+jwt"}, map[string]any{
		"iss": "https://issuer.example", "aud": "api", "sub": "42", "exp": time.Now().Add(time.Hour).Unix(), "tenant": "blue",
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	tokens := &jose.Verifier{
		Keys: jose.KeySet{signer.Key()}, Algorithms: []string{"EdDSA"}, Types: []string{"at+jwt"},
		Issuer: "https://issuer.example", Audience: []string{"api"},
	}
	claims, err := tokens.Verify(context.Background(), token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.Subject, claims.Text("tenant"))

	_, err = tokens.Verify(context.Background(), token+"A")
	fmt.Println(err, errors.Is(err, jose.ErrInvalid))
	// Output:
	// 42 blue
	// jose: invalid token: signature does not match true
}

// The provider rotates its key; the first token of the new one finds it.
func ExampleRemote() {
	newSigner := func(kid string) *jose.Signer {
		_, private, _ := ed25519.GenerateKey(nil)
		s, _ := jose.NewSigner("EdDSA", kid, private)
		return s
	}
	current := newSigner("first")
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.KeySet{current.Key()})
	}))
	defer provider.Close()

	keys, err := jose.NewRemote(provider.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keys.Close()
	tokens := &jose.Verifier{Keys: keys, Algorithms: []string{"EdDSA"}, Issuer: "me", Audience: []string{"api"}}

	for range 2 {
		token, _ := current.Sign(nil, map[string]any{"iss": "me", "aud": "api", "sub": "42", "exp": time.Now().Unix() + 60})
		claims, err := tokens.Verify(context.Background(), token)
		fmt.Println(claims.Subject, err)
		current = newSigner("second")
	}
	// Output:
	// 42 <nil>
	// 42 <nil>
}

// The JWK Set of one's own keys, ready for a jwks_uri, has public parts only.
func ExampleKeySet() {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	signer, err := jose.NewSigner("EdDSA", jose.Key{Public: key.Public()}.Thumbprint(), key)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := json.Marshal(jose.KeySet{signer.Key()})
	fmt.Println(string(text))
	// Output:
	// {"keys":[{"crv":"Ed25519","kty":"OKP","x":"O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik","kid":"9ZP03Nu8GrXPAUkbKNxHOKBzxPX83SShgFkRNK-f2lw","alg":"EdDSA","use":"sig"}]}
}
