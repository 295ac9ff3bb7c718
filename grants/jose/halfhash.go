package jose

import "crypto"

// HalfHash returns what at_hash and c_hash of an ID token must be for text, an access token or code (OpenID Connect Core
// section 3.1.3.6): the left half of its hash, in base64url. The hash is the one of the algorithm that signed the token.
func (c *Claims) HalfHash(text string) string { return c.algorithm.halfHash(text) }

// HalfHash returns at_hash and c_hash for ID tokens of this signer; see [Claims.HalfHash].
func (s *Signer) HalfHash(text string) string { return s.algorithm.halfHash(text) }

func (a *algorithm) halfHash(text string) string {
	if a == nil {
		return ""
	}
	hash := a.hash
	if hash == 0 {
		hash = crypto.SHA512 // what Ed25519 itself is built on (RFC 8032 section 5.1)
	}
	h := hash.New()
	h.Write([]byte(text))
	return encode(h.Sum(nil)[:hash.Size()/2])
}
