package seal

import (
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
)

// plaintextHeader is the header of key id zero, which no key has.
var plaintextHeader = header(formatSealed, [keyIDSize]byte{})

// InsecurePlaintext returns a ring that protects nothing: whoever reads what it wrote reads the tokens, and whoever can
// write there can forge a login. It is for looking at rows while developing. Damaged and swapped cells are still found,
// by a checksum. A ring with keys never opens what it wrote, nor it what they wrote: both are [ErrUnreadable].
func InsecurePlaintext() *Ring {
	c := &core{keys: []*key{{
		header: plaintextHeader,
		derive: func(prefix [prefixSize]byte) cipher.AEAD { return checksum(prefix) },
	}}}
	return c.ready()
}

// checksum has the form of an AEAD and no key, only the nonce's prefix.
type checksum [prefixSize]byte

func (checksum) NonceSize() int { return nonceSize - prefixSize }
func (checksum) Overhead() int  { return tagSize }

func (c checksum) sum(nonce, plain, aad []byte) []byte {
	h := sha256.New()
	h.Write(c[:])
	h.Write(nonce)
	own := sha256.Sum256(aad)
	h.Write(own[:])
	h.Write(plain)
	return h.Sum(nil)[:tagSize]
}

func (c checksum) Seal(dst, nonce, plain, aad []byte) []byte {
	dst = append(dst, plain...)
	return append(dst, c.sum(nonce, plain, aad)...)
}

func (c checksum) Open(dst, nonce, text, aad []byte) ([]byte, error) {
	plain, tag := text[:len(text)-tagSize], text[len(text)-tagSize:]
	if subtle.ConstantTimeCompare(tag, c.sum(nonce, plain, aad)) != 1 {
		return nil, errors.New("seal: checksum")
	}
	return append(dst, plain...), nil
}
