package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

const (
	assertionType   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionMaxAge = 10 * time.Minute // until exp, since its ID is kept for so long
	assertionLeeway = time.Minute
)

// assertionAlgs are taken from clients: all with a public key.
var assertionAlgs = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// byAssertion authenticates by a signed assertion (RFC 7523 section 3). It must be made out to the issuer alone: one for
// a URL can be got by another server that calls the URL its own.
func (s *Server) byAssertion(ctx context.Context, header bool, p params) (*client, error) {
	no := refused(false, "client authentication failed")
	switch {
	case header || p.get("client_secret") != "":
		return nil, invalidRequest("more than one way of client authentication")
	case p.get("client_assertion_type") != assertionType:
		return nil, refused(false, "client_assertion_type is not "+assertionType)
	}
	c := s.clients[unverified(p.get("client_assertion")).Subject]
	if c == nil || c.Keys == nil {
		return nil, no
	}
	if p.get("client_id") != "" && p.get("client_id") != c.ID {
		return c, invalidRequest("client_id differs from the assertion's")
	}
	verifier := jose.Verifier{
		Keys: c.Keys, Algorithms: assertionAlgs, Issuer: c.ID, Audience: []string{s.issuer}, Required: []string{"sub", "jti"},
		Types: []string{"", "JWT", "client-authentication+jwt"}, Leeway: assertionLeeway, Now: s.clock,
	}
	claims, err := verifier.Verify(ctx, p.get("client_assertion"))
	switch {
	case errors.Is(err, jose.ErrInvalid):
		return c, no
	case err != nil:
		return c, err
	case claims.Subject != c.ID || len(claims.Audience) != 1 || claims.ID == "":
		return c, no
	case claims.Expires.After(s.now().Add(assertionMaxAge + assertionLeeway)):
		return c, refused(false, "the assertion lives for too long")
	}
	return c, s.once(ctx, "assertion", c.ID, claims.ID, claims.Expires.Add(assertionLeeway), no)
}

// once returns seen if what kind of thing was seen before, by this ID of this party; it is remembered until then.
func (s *Server) once(ctx context.Context, kind, party, id string, until time.Time, seen error) error {
	now, sum := s.now(), sha256.Sum256([]byte(id)) // a key's parts are short
	_, err := s.tokens.Put(ctx, store.Key("authserver", kind, party, hex.EncodeToString(sum[:])), &store.Record{
		ID: rand.Text(), Provider: s.issuer, Created: now, Updated: now, Expires: until,
	})
	if errors.Is(err, store.ErrExists) {
		return seen
	}
	return err
}

// names are what a JWT says of whose it is and which.
type names struct {
	Subject string `json:"sub"`
	ID      string `json:"jti"`
}

// unverified returns the names in a JWT, not believed yet.
func unverified(token string) names {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var n names
	if err != nil || json.Unmarshal(text, &n) != nil {
		return names{}
	}
	return n
}
