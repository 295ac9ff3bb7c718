package jwtauth

import (
	"encoding/json"
	"strings"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

// known is what a verified token says. It does not change.
type known struct {
	claims     jose.Claims // without what [jose.Claims.Get] needs, which is as large again
	scopes     []string
	generation uint64
}

// newKnown refuses tokens that are bound to a key, DPoP's or a certificate's (RFC 7800): nobody has checked the binding.
func newKnown(c *jose.Claims) (*known, error) {
	if cnf := c.Get("cnf"); cnf != nil && string(cnf) != "null" {
		return nil, errBound
	}
	scopes, err := scopesOf(c)
	if err != nil {
		return nil, err
	}
	return &known{scopes: scopes, claims: jose.Claims{
		Issuer: c.Issuer, Subject: c.Subject, ID: c.ID, Audience: c.Audience,
		Expires: c.Expires, NotBefore: c.NotBefore, IssuedAt: c.IssuedAt, Payload: c.Payload,
	}}, nil
}

// scopesOf reads scope (RFC 8693 section 4.2) or, where there is none, scp: text with spaces, or a list. None known is
// none granted.
func scopesOf(c *jose.Claims) ([]string, error) {
	value := c.Get("scope")
	if value == nil {
		value = c.Get("scp")
	}
	if value == nil {
		return nil, nil
	}
	var text string
	if json.Unmarshal(value, &text) == nil {
		return strings.Fields(text), nil
	}
	var list []string
	if json.Unmarshal(value, &list) != nil {
		return nil, errScope
	}
	return list, nil
}

// issued is a record and what its slices point to: the request's own, in one allocation.
type issued struct {
	rec    store.Record
	scopes [6]string
	extra  [400]byte
}

func (k *known) record() *store.Record {
	c := &k.claims
	r := new(issued)
	r.rec.ID, r.rec.Subject, r.rec.Provider = c.ID, c.Subject, c.Issuer
	r.rec.Token.TokenType, r.rec.Token.Expiry = "Bearer", c.Expires
	r.rec.Token.Scopes = append(r.scopes[:0], k.scopes...)
	r.rec.Token.Extra = append(r.extra[:0], c.Payload...)
	return &r.rec
}
