package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
)

// Signer signs tokens (RFC 7515) with one key. Make one with [NewSigner]; the zero Signer is not usable. Its methods may
// be called concurrently if the key's may.
type Signer struct {
	algorithm *algorithm
	private   any
	key       Key
}

// NewSigner returns a signer for one algorithm and key: a crypto.Signer, such as a *rsa.PrivateKey or one that a KMS
// holds, or the []byte of an HMAC secret. kid names it in headers; empty: no name. The error says if the key does not
// fit the algorithm or is too weak for it.
func NewSigner(alg, kid string, key any) (*Signer, error) {
	a := algorithmNamed(alg)
	if a == nil {
		return nil, fmt.Errorf("jose: unknown algorithm %q", alg)
	}
	k := Key{ID: kid, Algorithm: alg, Public: publicOf(key)}
	if err := k.fits(a); err != nil {
		return nil, err
	}
	return &Signer{algorithm: a, private: key, key: k}, nil
}

// Sign signs claims, anything that encodes to a JSON object, and returns the token in compact form. header adds to the
// protected header, as in {"typ": "at+jwt"}; alg, kid, crit and b64 are the signer's own.
func (s *Signer) Sign(header map[string]any, claims any) (string, error) {
	head := map[string]any{"alg": s.algorithm.name}
	if s.key.ID != "" {
		head["kid"] = s.key.ID
	}
	for name, value := range header {
		switch name {
		case "alg", "kid", "crit", "b64":
			return "", fmt.Errorf("jose: header member %q is the signer's", name)
		}
		head[name] = value
	}
	first, err := json.Marshal(head)
	if err != nil {
		return "", fmt.Errorf("jose: header: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("jose: claims: %w", err)
	}
	if payload[0] != '{' {
		return "", errors.New("jose: claims are not a JSON object")
	}
	signed := encode(first) + "." + encode(payload)
	signature, err := s.signature(signed)
	if err != nil {
		return "", fmt.Errorf("jose: signing: %w", err)
	}
	return signed + "." + encode(signature), nil
}

func (s *Signer) signature(signed string) ([]byte, error) {
	signer, ok := s.private.(crypto.Signer)
	if !ok || s.algorithm.kty == "OKP" {
		return s.algorithm.method.Sign(signed, s.private)
	}
	h := s.algorithm.hash.New()
	h.Write([]byte(signed))
	var opts crypto.SignerOpts = s.algorithm.hash
	if s.algorithm.name[0] == 'P' {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.algorithm.hash}
	}
	signature, err := signer.Sign(rand.Reader, h.Sum(nil), opts)
	if err != nil || s.algorithm.kty == "RSA" {
		return signature, err
	}
	return s.concat(signature)
}

// concat turns the ASN.1 signature that signers give into the two numbers side by side of RFC 7518 section 3.4.
func (s *Signer) concat(signature []byte) ([]byte, error) {
	var n struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(signature, &n); err != nil || len(rest) != 0 {
		return nil, errors.New("not an ECDSA signature")
	}
	size := (s.key.Public.(*ecdsa.PublicKey).Curve.Params().BitSize + 7) / 8
	if n.R.Sign() < 0 || n.S.Sign() < 0 || n.R.BitLen() > 8*size || n.S.BitLen() > 8*size {
		return nil, errors.New("ECDSA signature out of range")
	}
	out := make([]byte, 2*size)
	n.R.FillBytes(out[:size])
	n.S.FillBytes(out[size:])
	return out, nil
}

// Key returns the verifying side: for an HMAC signer, the secret itself.
func (s *Signer) Key() Key { return s.key }

// JWK returns the public key as a JWK; nil for an HMAC signer.
func (s *Signer) JWK() json.RawMessage {
	text, err := json.Marshal(s.key)
	if err != nil {
		return nil
	}
	return text
}

// Thumbprint returns the public key's [Key.Thumbprint]; empty for an HMAC signer.
func (s *Signer) Thumbprint() string { return s.key.Thumbprint() }

// String tells which key it is, never the key.
func (s Signer) String() string {
	return fmt.Sprintf("signer(%q, %q)", s.key.ID, s.key.Algorithm)
}

// Format prints [Signer.String] for every verb.
func (s Signer) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue logs [Signer.String].
func (s Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }
