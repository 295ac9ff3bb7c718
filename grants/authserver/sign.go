package authserver

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tokenkeep/tokenkeep/store"
)

// scopeOpenID asks for an ID token (OpenID Connect Core section 3.1.2.1).
const scopeOpenID = "openid"

// audience is written as one string if it is one (RFC 7519 section 4.1.3).
type audience []string

// MarshalJSON encodes one name as a string and several as an array.
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// claims are what our tokens say: access tokens (RFC 9068 section 2.2) and ID tokens (OpenID Connect Core section 2).
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expires  int64    `json:"exp"`
	Issued   int64    `json:"iat"`
	Auth     int64    `json:"auth_time,omitempty"`

	ID     string `json:"jti,omitempty"`
	Client string `json:"client_id,omitempty"`
	Scope  string `json:"scope,omitempty"`

	Authorized string `json:"azp,omitempty"`
	Nonce      string `json:"nonce,omitempty"`
	AccessHash string `json:"at_hash,omitempty"`

	Confirmation *confirmation `json:"cnf,omitempty"`
}

// confirmation names the key that a token is bound to (RFC 9449 section 6).
type confirmation struct {
	Thumbprint string `json:"jkt"`
}

func confirmationOf(key string) *confirmation {
	if key == "" {
		return nil
	}
	return &confirmation{key}
}

func (s *Server) claims(p *pair, who login) claims {
	c := claims{Issuer: s.issuer, Subject: who.subject, Expires: p.expiry.Unix(), Issued: p.now.Unix()}
	if !who.auth.IsZero() {
		c.Auth = who.auth.Unix()
	}
	return c
}

// sign gives p its access token, and its ID token if it has one. Of a JWT the hash of its text is kept, as of any token: so we
// know every one that is ours, and whether it was revoked, without looking at its signature.
func (s *Server) sign(c *client, p *pair, who login) error {
	if len(c.d.Audience) == 0 {
		p.access = p.opaque(purposeAccess)
		return s.signID(c, p, who)
	}
	claims := s.claims(p, who)
	claims.Audience, claims.ID, claims.Client, claims.Scope = c.d.Audience, p.id, c.ID, strings.Join(p.scopes, " ")
	claims.Confirmation = confirmationOf(p.key)
	text, err := s.signed("at+jwt", s.keys.Load(), claims)
	if err != nil {
		return err
	}
	p.access = store.Credential(purposeAccess, text)
	return s.signID(c, p, who)
}

// idClaims are the claims of ID tokens, for the metadata.
var idClaims = []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "azp", "at_hash"}

// signID gives p its ID token, if a user has signed in and openid was granted.
func (s *Server) signID(c *client, p *pair, who login) error {
	k := s.keys.Load()
	if p.family.IsZero() || k.signer == nil || !slices.Contains(p.scopes, scopeOpenID) {
		return nil
	}
	claims := s.claims(p, who)
	claims.Audience, claims.Authorized, claims.Nonce = audience{c.ID}, c.ID, who.nonce
	claims.AccessHash = k.signer.HalfHash(p.access.Reveal())
	text, err := s.signed("JWT", k, claims)
	p.idToken = text
	return err
}

func (s *Server) signed(typ string, k *keys, claims claims) (string, error) {
	if k.signer == nil {
		return "", errors.New("authserver: no Keys")
	}
	return k.signer.Sign(map[string]any{"typ": typ}, claims)
}
