package jose

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// Claims are what a token says (RFC 7519 section 4), after its signature was checked.
type Claims struct {
	Issuer   string   // iss
	Subject  string   // sub: whom the token is about, unique within the issuer
	ID       string   // jti
	Audience []string // aud, one or a list

	Expires   time.Time // zero where there is none
	NotBefore time.Time
	IssuedAt  time.Time

	// Payload is the whole JSON object, as it was signed.
	Payload json.RawMessage

	text      string // Payload, of which the other texts are parts
	members   []member
	algorithm *algorithm // that signed it
}

// Get returns the value of a claim as JSON text, by its exact name; nil if the token has none of it.
func (c *Claims) Get(name string) json.RawMessage {
	if v := find(c.text, c.members, name); v != "" {
		return json.RawMessage(v)
	}
	return nil
}

// Text returns the claim of this exact name if it is a string; empty otherwise.
func (c *Claims) Text(name string) string {
	s, _ := text(find(c.text, c.members, name))
	return s
}

// spacious is the claims of a usual token in one piece of memory.
type spacious struct {
	Claims
	room [12]member
}

func readClaims(payload string) (*Claims, error) {
	all := &spacious{}
	members, err := readObject(all.room[:0], payload, claimNames)
	if err != nil {
		return nil, refuseClaims
	}
	c := &all.Claims
	c.text, c.members = payload, members
	for i := range members {
		value, ok := members[i].valueIn(payload), true
		switch members[i].nameIn(payload) {
		case "iss":
			c.Issuer, ok = text(value)
		case "sub":
			c.Subject, ok = text(value)
		case "jti":
			c.ID, ok = text(value)
		case "aud":
			c.Audience, ok = audience(value)
		case "exp":
			c.Expires, ok = numericDate(value)
		case "nbf":
			c.NotBefore, ok = numericDate(value)
		case "iat":
			c.IssuedAt, ok = numericDate(value)
		}
		if !ok {
			return nil, refuseClaim
		}
	}
	return c, nil
}

// audience is one string or a list of them (RFC 7519 section 4.1.3).
func audience(value string) ([]string, bool) {
	if s, ok := text(value); ok {
		return []string{s}, true
	}
	var list []*string
	if value[0] != '[' || json.Unmarshal([]byte(value), &list) != nil {
		return nil, false
	}
	aud := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			return nil, false
		}
		aud[i] = *s
	}
	return aud, true
}

const latest = 253402300799 // the last second of the year 9999

// numericDate reads seconds since 1970 (RFC 7519 section 2), fractions included, up to the year 9999.
func numericDate(value string) (time.Time, bool) {
	if c := value[0]; c != '-' && (c < '0' || c > '9') || len(value) > 32 {
		return time.Time{}, false
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Unix(n, 0), n >= 0 && n <= latest
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || f < 0 || f > latest {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}
