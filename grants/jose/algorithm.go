package jose

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha512" // SHA-384 and SHA-512 by number
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// algorithm is one of the JWS algorithms (RFC 7518 section 3.1, RFC 8037) and what its keys must be.
type algorithm struct {
	name   string
	kty    string // of a JWK that can be used with it
	hash   crypto.Hash
	curve  string // EC and OKP
	method jwt.SigningMethod
}

var algorithms = [...]*algorithm{
	{"HS256", "oct", crypto.SHA256, "", jwt.SigningMethodHS256},
	{"HS384", "oct", crypto.SHA384, "", jwt.SigningMethodHS384},
	{"HS512", "oct", crypto.SHA512, "", jwt.SigningMethodHS512},
	{"RS256", "RSA", crypto.SHA256, "", jwt.SigningMethodRS256},
	{"RS384", "RSA", crypto.SHA384, "", jwt.SigningMethodRS384},
	{"RS512", "RSA", crypto.SHA512, "", jwt.SigningMethodRS512},
	{"PS256", "RSA", crypto.SHA256, "", pss(jwt.SigningMethodPS256)},
	{"PS384", "RSA", crypto.SHA384, "", pss(jwt.SigningMethodPS384)},
	{"PS512", "RSA", crypto.SHA512, "", pss(jwt.SigningMethodPS512)},
	{"ES256", "EC", crypto.SHA256, "P-256", jwt.SigningMethodES256},
	{"ES384", "EC", crypto.SHA384, "P-384", jwt.SigningMethodES384},
	{"ES512", "EC", crypto.SHA512, "P-521", jwt.SigningMethodES512},
	{"EdDSA", "OKP", 0, "Ed25519", jwt.SigningMethodEdDSA},
}

// pss is m with the one salt length that RFC 7518 section 3.5 allows; golang-jwt's own accepts every length.
func pss(m *jwt.SigningMethodRSAPSS) *jwt.SigningMethodRSAPSS {
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: m.SigningMethodRSA,
		Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: m.Hash},
	}
}

// algorithmNamed finds an algorithm by its exact name; nil: there is none, and none is called "none".
func algorithmNamed(name string) *algorithm {
	for _, a := range algorithms {
		if a.name == name {
			return a
		}
	}
	return nil
}

// checkAlgorithms refuses lists that allow nothing, or that let a public key pass for an HMAC secret (RFC 8725 section 3.2).
func checkAlgorithms(names []string) error {
	if len(names) == 0 {
		return errors.New("jose: no algorithms")
	}
	symmetric := 0
	for _, name := range names {
		a := algorithmNamed(name)
		if a == nil {
			return fmt.Errorf("jose: unknown algorithm %q", name)
		}
		if a.kty == "oct" {
			symmetric++
		}
	}
	if symmetric != 0 && symmetric != len(names) {
		return fmt.Errorf("jose: algorithms %q: HMAC together with public keys", names)
	}
	return nil
}

func allowed(names []string, name string) *algorithm {
	if slices.Contains(names, name) {
		return algorithmNamed(name)
	}
	return nil
}
