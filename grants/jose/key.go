package jose

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// Key is a key to verify signatures with: a JWK (RFC 7517) without its private part. It prints no key material.
type Key struct {
	// ID is the kid. A key without one fits tokens of any kid.
	ID string
	// Algorithm is the only one that the key is used with; empty: each that fits Public.
	Algorithm string
	// Public is a *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, or the []byte of an HMAC secret.
	Public any
}

// KeySource finds keys. [KeySet] holds them, [Remote] fetches them.
//
// Keys returns those for tokens with this kid; without a kid, all. No keys and no error: there is no such key, and the
// token is refused. An error means that it could not find out. It is called concurrently, and the answer is only read.
type KeySource interface {
	Keys(ctx context.Context, kid string) ([]Key, error)
}

// KeySet is a set that does not change, such as that of a secret, or of one's own keys:
//
//	jose.KeySet{{Algorithm: "HS256", Public: secret}}
type KeySet []Key

// Keys returns the keys with this kid and those without one; all if kid is empty.
func (s KeySet) Keys(_ context.Context, kid string) ([]Key, error) {
	if kid == "" || len(s) == 1 && (s[0].ID == "" || s[0].ID == kid) {
		return s, nil
	}
	var found KeySet
	for _, k := range s {
		if k.ID == "" || k.ID == kid {
			found = append(found, k)
		}
	}
	return found, nil
}

// String tells identifier, algorithm and type, never the key.
func (k Key) String() string { return fmt.Sprintf("key(%q, %q, %T)", k.ID, k.Algorithm, k.Public) }

// Format prints [Key.String] for every verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// fits says why k cannot be used with a, or nil: the type must match, and the strength be that of RFC 7518 sections 3.2
// to 3.5.
func (k Key) fits(a *algorithm) error {
	if k.Algorithm != "" && k.Algorithm != a.name {
		return fmt.Errorf("jose: key %q is for %q only", k.ID, k.Algorithm)
	}
	switch public := k.Public.(type) {
	case []byte:
		if a.kty == "oct" {
			return k.strongSecret(public, a.hash.Size())
		}
	case *rsa.PublicKey:
		if a.kty == "RSA" && public != nil {
			return k.strongRSA(public)
		}
	case *ecdsa.PublicKey:
		if a.kty == "EC" && public != nil && public.Curve != nil && public.X != nil && public.Y != nil &&
			public.Curve.Params().Name == a.curve {
			return nil
		}
	case ed25519.PublicKey:
		if a.kty == "OKP" && len(public) == ed25519.PublicKeySize {
			return nil
		}
	}
	return fmt.Errorf("jose: key %q: a %T does not fit %s", k.ID, k.Public, a.name)
}

func (k Key) strongSecret(secret []byte, size int) error {
	switch {
	case len(secret) < size:
		return fmt.Errorf("jose: secret %q has %d bytes, and needs %d", k.ID, len(secret), size)
	case isPublicKey(secret):
		return fmt.Errorf("jose: secret %q is a public key, which everybody has", k.ID)
	}
	return nil
}

func (k Key) strongRSA(public *rsa.PublicKey) error {
	if public.N == nil || public.N.BitLen() < 2048 || public.N.BitLen() > 8192 {
		return fmt.Errorf("jose: key %q: the RSA modulus must have 2048 to 8192 bits", k.ID)
	}
	if public.E < 3 || public.E&1 == 0 || public.E > 1<<31-1 {
		return fmt.Errorf("jose: key %q: the RSA exponent must be odd and at least 3", k.ID)
	}
	return nil
}

// isPublicKey recognizes a public key that somebody took for a secret.
func isPublicKey(secret []byte) bool {
	switch {
	case bytes.HasPrefix(secret, []byte("-----BEGIN ")), bytes.HasPrefix(secret, []byte("ssh-")):
		return true
	case secret[0] == '{':
		_, err := ParseKey(secret)
		return err == nil
	case isSequence(secret):
		_, pkix := x509.ParsePKIXPublicKey(secret)
		_, pkcs1 := x509.ParsePKCS1PublicKey(secret)
		return pkix == nil || pkcs1 == nil
	}
	return false
}

// isSequence says whether b is one ASN.1 SEQUENCE by its first bytes, which few secrets are by chance.
func isSequence(b []byte) bool {
	switch {
	case b[0] != 0x30:
		return false
	case b[1] == 0x81:
		return int(b[2])+3 == len(b)
	case b[1] == 0x82:
		return int(b[2])<<8+int(b[3])+4 == len(b)
	}
	return int(b[1])+2 == len(b)
}
