package jar

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// sealing is how all floors work: nonce, sealed (expiry, payload), base64; the name is associated data.
func sealing(nonce int, aead func(nonce []byte) (cipher.AEAD, []byte)) *Jar {
	const overhead = 16
	return &Jar{
		Seal: func(name string, expires time.Time, payload []byte) (string, error) {
			buf := make([]byte, nonce+8+len(payload), nonce+8+len(payload)+overhead)
			rand.Read(buf[:nonce])
			binary.BigEndian.PutUint64(buf[nonce:], uint64(expires.Unix()))
			copy(buf[nonce+8:], payload)
			a, n := aead(buf[:nonce])
			sealed := a.Seal(buf[nonce:nonce], n, buf[nonce:], []byte(name))
			var room [4096]byte
			return string(base64.RawURLEncoding.AppendEncode(room[:0], buf[:nonce+len(sealed)])), nil
		},
		Open: func(name, text string) ([]byte, error) {
			buf, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil || len(buf) < nonce {
				return nil, errRefused
			}
			a, n := aead(buf[:nonce])
			plain, err := a.Open(buf[nonce:nonce], n, buf[nonce:], []byte(name))
			if err != nil || len(plain) < 8 || time.Now().Unix() >= int64(binary.BigEndian.Uint64(plain)) {
				return nil, errRefused
			}
			return plain[8:], nil
		},
	}
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func gcmJar() (*Jar, error) {
	a := gcm(newKey())
	return sealing(12, func(nonce []byte) (cipher.AEAD, []byte) { return a, nonce }), nil
}

func chachaJar() (*Jar, error) {
	a, err := chacha20poly1305.NewX(newKey())
	return sealing(24, func(nonce []byte) (cipher.AEAD, []byte) { return a, nonce }), err
}

// xaesJar derives an AES-GCM key from half of each 24-byte nonce, by two blocks of CMAC.
func xaesJar() (*Jar, error) {
	block, err := aes.NewCipher(newKey())
	if err != nil {
		return nil, err
	}
	var k1 [16]byte
	block.Encrypt(k1[:], k1[:])
	carry := k1[0] >> 7
	for i := range 15 {
		k1[i] = k1[i]<<1 | k1[i+1]>>7
	}
	k1[15] = k1[15]<<1 ^ carry*0x87
	return sealing(24, func(nonce []byte) (cipher.AEAD, []byte) {
		var key [32]byte
		for half := range 2 {
			m := key[half*16 : half*16+16]
			copy(m, []byte{0, byte(half + 1), 'X', 0})
			copy(m[4:], nonce[:12])
			for i := range m {
				m[i] ^= k1[i]
			}
			block.Encrypt(m, m)
		}
		return gcm(key[:]), nonce[12:]
	}), nil
}
