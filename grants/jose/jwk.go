package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

var (
	errNotJWK     = errors.New("jose: not a JWK")
	errPrivate    = errors.New("jose: JWK holds a private key")
	errUse        = errors.New("jose: JWK is not for verifying signatures")
	errUnknownKey = errors.New("jose: JWK of a kind that verifies no signature")
)

// jwk is a JWK as written (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
type jwk struct {
	Crv string          `json:"crv,omitempty"`
	E   string          `json:"e,omitempty"`
	Kty string          `json:"kty"`
	K   string          `json:"k,omitempty"`
	N   string          `json:"n,omitempty"`
	X   string          `json:"x,omitempty"`
	Y   string          `json:"y,omitempty"`
	Kid string          `json:"kid,omitempty"`
	Alg string          `json:"alg,omitempty"`
	Use string          `json:"use,omitempty"`
	Ops []string        `json:"key_ops,omitempty"`
	D   json.RawMessage `json:"d,omitempty"`
}

// ParseKey reads one JWK (RFC 7517): an RSA, EC or Ed25519 public key, or an HMAC secret (kty "oct"). It refuses private
// keys, weak ones, those for other purposes (use, key_ops, alg), points off the curve, and members that occur twice.
func ParseKey(jwk []byte) (Key, error) {
	k, err := parseKey(jwk)
	if err != nil {
		return Key{}, err
	}
	return k, nil
}

// parseKey returns the kid even of a key that it refuses, if it is one for signatures.
func parseKey(text []byte) (Key, error) {
	if _, err := readObject(nil, string(text), jwkNames); err != nil {
		return Key{}, errNotJWK
	}
	var j jwk
	if json.Unmarshal(text, &j) != nil {
		return Key{}, errNotJWK
	}
	if j.Use != "" && j.Use != "sig" || j.Ops != nil && !slices.Contains(j.Ops, "verify") {
		return Key{}, errUse
	}
	k := Key{ID: j.Kid, Algorithm: j.Alg}
	if j.D != nil {
		return k, errPrivate
	}
	var err error
	switch j.Kty {
	case "oct":
		k.Public, err = decode(j.K)
	case "RSA":
		k.Public, err = j.rsa()
	case "EC":
		k.Public, err = j.ec()
	case "OKP":
		k.Public, err = j.ed25519()
	default:
		err = errUnknownKey
	}
	if err == nil {
		err = k.fix()
	}
	return k, err
}

// fix refuses a key that fits no algorithm, and names the algorithm if there is only one.
func (k *Key) fix() error {
	reason, fit := errUnknownKey, ""
	several := false
	for _, a := range algorithms {
		switch err := k.fits(a); {
		case err == nil:
			several = fit != ""
			fit = a.name
		case k.Algorithm == a.name:
			reason = err
		}
	}
	if fit == "" {
		return reason
	}
	if !several {
		k.Algorithm = fit
	}
	return nil
}

func (j *jwk) rsa() (*rsa.PublicKey, error) {
	n, errN := decode(j.N)
	e, errE := decode(j.E)
	if errN != nil || errE != nil || len(n) == 0 || len(e) == 0 || len(e) > 4 || len(n) > 8192/8 {
		return nil, errNotJWK
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, nil
}

func (j *jwk) ec() (*ecdsa.PublicKey, error) {
	curve := curveNamed(j.Crv)
	if curve == nil {
		return nil, errUnknownKey
	}
	size := (curve.Params().BitSize + 7) / 8
	x, errX := decode(j.X)
	y, errY := decode(j.Y)
	if errX != nil || errY != nil || len(x) != size || len(y) != size { // RFC 7518 section 6.2.1.2
		return nil, errNotJWK
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errNotJWK // a point off the curve
	}
	return key, nil
}

func (j *jwk) ed25519() (ed25519.PublicKey, error) {
	x, err := decode(j.X)
	if j.Crv != "Ed25519" {
		return nil, errUnknownKey
	}
	if err != nil || len(x) != ed25519.PublicKeySize {
		return nil, errNotJWK
	}
	return x, nil
}

func curveNamed(name string) elliptic.Curve {
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		if c.Params().Name == name {
			return c
		}
	}
	return nil
}

// MarshalJSON encodes a public key as a JWK with use "sig". A secret is an error: it is never published.
func (k Key) MarshalJSON() ([]byte, error) {
	j, err := k.required()
	if err != nil {
		return nil, err
	}
	j.Kid, j.Alg, j.Use = k.ID, k.Algorithm, "sig"
	return json.Marshal(j)
}

// Thumbprint returns the SHA-256 thumbprint of a public key (RFC 7638) in base64url, as kid, jkt and ath use it; empty
// for a secret or an unknown type.
func (k Key) Thumbprint() string {
	j, err := k.required()
	if err != nil {
		return ""
	}
	text, _ := json.Marshal(j) // members in lexicographic order, as section 3.2 wants them
	sum := sha256.Sum256(text)
	return encode(sum[:])
}

// required has the members that make up the key itself (RFC 7638 section 3.2).
func (k Key) required() (jwk, error) {
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return jwk{Kty: "RSA", N: encode(public.N.Bytes()), E: encode(big.NewInt(int64(public.E)).Bytes())}, nil
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			return jwk{}, fmt.Errorf("jose: key %q: %w", k.ID, err)
		}
		half := len(point) / 2
		return jwk{Kty: "EC", Crv: public.Curve.Params().Name, X: encode(point[1 : 1+half]), Y: encode(point[1+half:])}, nil
	case ed25519.PublicKey:
		return jwk{Kty: "OKP", Crv: "Ed25519", X: encode(public)}, nil
	}
	return jwk{}, fmt.Errorf("jose: key %q: a %T has no public form", k.ID, k.Public)
}

// publicOf is the verifying side of a signing key.
func publicOf(key any) any {
	switch key := key.(type) {
	case []byte:
		return key
	case crypto.Signer:
		return key.Public()
	}
	return nil
}
