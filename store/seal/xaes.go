package seal

import (
	"crypto/aes"
	"crypto/cipher"
)

const (
	prefixSize = 12 // the half of the nonce that selects the derived key
	nonceSize  = 24
	tagSize    = 16
)

// xaes is the key schedule of XAES-256-GCM (https://c2sp.org/XAES-256-GCM): the AES-CMAC subkey, computed once.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

func newXAES(key [32]byte) *xaes {
	x := &xaes{block: must(aes.NewCipher(key[:]))}
	x.block.Encrypt(x.k1[:], x.k1[:])
	var carry byte
	for i := len(x.k1) - 1; i >= 0; i-- {
		carry, x.k1[i] = x.k1[i]>>7, x.k1[i]<<1|carry
	}
	x.k1[len(x.k1)-1] ^= carry * 0b1000_0111
	return x
}

// derive returns the AES-256-GCM that serves every nonce beginning with prefix.
func (x *xaes) derive(prefix [prefixSize]byte) cipher.AEAD {
	var key [32]byte
	for i := range 2 {
		half := key[i*aes.BlockSize:][:aes.BlockSize]
		half[1], half[2] = byte(i+1), 'X'
		copy(half[4:], prefix[:])
		for j := range half {
			half[j] ^= x.k1[j]
		}
		x.block.Encrypt(half, half)
	}
	return must(cipher.NewGCM(must(aes.NewCipher(key[:]))))
}

// must is for errors that a constant size rules out.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
