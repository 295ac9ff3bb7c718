package jose_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"math/rand/v2"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// The HMAC that is written out is the one of crypto/hmac, for secrets up to a block and beyond, and for any text.
func TestMAC(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{})
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		for n := range 300 {
			secret, text := make([]byte, n), make([]byte, n*n%4099)
			random.Read(secret)
			random.Read(text)
			m := hmac.New(h.New, secret)
			m.Write(text)
			if got := jose.MAC(h, secret, string(text)); !bytes.Equal(got, m.Sum(nil)) {
				t.Fatalf("%v, a secret of %d bytes, a text of %d: %x", h, n, len(text), got)
			}
		}
	}
}

// The budget of a token: the header's text, the claims with their members, their text twice (as text, and as it was
// signed), the audience and the signature. Allocations are counted for the whole process: no parallel test.
func TestVerifyAllocations(t *testing.T) {
	v := verifier()
	token := sign(`{"alg":"HS256","typ":"JWT","kid":"2026-11"}`, claims(map[string]any{"scope": "read write", "jti": "a", "iat": 1, "client_id": "web", "x": []int{1}}))
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}); n > 6 {
		t.Errorf("%v allocations, at most 6", n)
	}
}
