package jose

import "crypto"

// ReadClaims is readClaims, for tests that compare it with encoding/json.
func ReadClaims(payload string) (*Claims, error) { return readClaims(payload) }

// MAC is mac, for tests that compare it with crypto/hmac.
func MAC(h crypto.Hash, secret []byte, text string) []byte {
	s := mac(h, secret, text)
	return s[:h.Size()]
}

// Decode is decode, for tests that compare it with encoding/base64.
func Decode(s string) ([]byte, error) { return decode(s) }
