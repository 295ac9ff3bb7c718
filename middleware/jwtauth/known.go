package jwtauth

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware/internal/facts"
	"github.com/tokenkeep/tokenkeep/store"
)

// known is what a verified token says. It does not change, and all requests with the token share its record.
type known struct {
	record     store.Record
	issuer     string // not the record's, which is in many hands: what decides stays here
	expires    time.Time
	audience   []string
	from       time.Time // the later of nbf and iat
	generation uint64

	signed string   // header and claims, without which the signature finds nothing
	sum    [32]byte // their SHA-256 instead, of a long token
}

// keep remembers what was signed: a copy, as the request's own text goes on with the signature, which is not kept.
func (k *known) keep(signed string) {
	if len(signed) > longestKept {
		k.sum = facts.Key(signed)
		return
	}
	k.signed = strings.Clone(signed)
}

// isOf says whether k is what this token says, given that it has the signature.
func (k *known) isOf(signed string) bool {
	if len(signed) > longestKept {
		return k.sum == facts.Key(signed)
	}
	return k.signed == signed
}

// claims are those that are decided upon anew on each request.
func (k *known) claims() jose.Claims {
	return jose.Claims{Issuer: k.issuer, Audience: k.audience, Expires: k.expires, NotBefore: k.from}
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
	k := &known{issuer: c.Issuer, expires: c.Expires, audience: c.Audience, from: c.NotBefore}
	if c.IssuedAt.After(k.from) {
		k.from = c.IssuedAt
	}
	k.record.ID, k.record.Subject, k.record.Provider = c.ID, c.Subject, c.Issuer
	k.record.Token.TokenType, k.record.Token.Expiry = "Bearer", c.Expires
	k.record.Token.Scopes, k.record.Token.Extra = scopes, c.Payload
	return k, nil
}

// scopesOf reads scope (RFC 8693 section 4.2) or, where there is none, scp: text with spaces, or a list. None known is
// none granted.
func scopesOf(c *jose.Claims) ([]string, error) {
	for _, name := range []string{"scope", "scp"} {
		if text := c.Text(name); text != "" {
			return strings.Fields(text), nil
		}
		value := c.Get(name)
		if value == nil {
			continue
		}
		var list []string
		if string(value) != `""` && json.Unmarshal(value, &list) != nil {
			return nil, errScope
		}
		return slices.Clip(list), nil // or requests that share it would append to one place
	}
	return nil, nil
}
