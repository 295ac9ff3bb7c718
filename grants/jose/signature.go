package jose

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
)

// verifies says whether signature is one of key, which fits a, over signed.
func (a *algorithm) verifies(signed string, signature []byte, key any) bool {
	if secret, ok := key.([]byte); ok {
		sum := mac(a.hash, secret, signed)
		return hmac.Equal(sum[:a.hash.Size()], signature)
	}
	return a.method.Verify(signed, signature, key) == nil
}

// sum has a hash in its first bytes.
type sum [sha512.Size]byte

// ipad is XORed to the key for the inner hash, toOpad to that for the outer one (0x5c).
var (
	ipad   = bytes.Repeat([]byte{0x36}, sha512.BlockSize)
	toOpad = bytes.Repeat([]byte{0x36 ^ 0x5c}, sha512.BlockSize)
)

// mac is HMAC (RFC 2104 section 2), for a hash of SHA-2. It is written out because crypto/hmac makes seven objects for
// each secret and text, which takes as long as hashing a token.
func mac(h crypto.Hash, secret []byte, text string) sum {
	size := sha256.BlockSize
	if h != crypto.SHA256 {
		size = sha512.BlockSize
	}
	var room [1280]byte // what is longer allocates
	block := room[:size]
	if copy(block, secret) < len(secret) {
		s := sumOf(h, secret)
		clear(block)
		copy(block, s[:h.Size()])
	}
	subtle.XORBytes(block, block, ipad)
	inner := sumOf(h, append(block, text...))
	subtle.XORBytes(block, block, toOpad)
	return sumOf(h, append(block, inner[:h.Size()]...))
}

func sumOf(h crypto.Hash, text []byte) (s sum) {
	switch h {
	case crypto.SHA256:
		short := sha256.Sum256(text)
		copy(s[:], short[:])
	case crypto.SHA384:
		short := sha512.Sum384(text)
		copy(s[:], short[:])
	case crypto.SHA512:
		s = sha512.Sum512(text)
	}
	return s
}
