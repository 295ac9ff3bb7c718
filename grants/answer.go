package grants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// No server can make a record larger than the 64 KiB that every store takes: nobody could save it.
const (
	maxTokens = 32 << 10 // all three together
	maxExtra  = 16 << 10 // members beyond are dropped
	maxScope  = 8 << 10  // as text; what is longer counts as not told
	maxType   = 64
)

// reply is an answer of a token endpoint taken apart. What stands in a known member but cannot be understood goes to
// extra like the unknown ones: one bad field never loses a token.
type reply struct {
	access, refresh, id, tokenType string
	scopes                         []string
	scoped                         bool // scopes were told, if only none

	in, at               time.Time // expiry by expires_in, by an instant
	inLife, atLife       life
	refreshIn, refreshAt time.Time

	err, errs, desc, message, uri []byte // raw
	extra                         []byte
}

// token sends a token request and reads the answer. asked are the scopes that count as granted if none are told.
func (c *Client) token(ctx context.Context, p params, asked []string) (store.Token, error) {
	if grant := p[0].value; c.OwnAccount && slices.Contains(userGrants[:], grant) {
		return store.Token{}, c.misconfigured(&call{what: grant}, errOwnAccount)
	}
	q, ans, err := c.post(ctx, p[0].value, "TokenURL", c.TokenURL, p)
	if err != nil {
		return spent(ans), err
	}
	return c.read(q, ans, asked)
}

// userGrants give a user's token, which a client with OwnAccount would later replace by its own.
var userGrants = [...]string{"password", "authorization_code", "refresh_token", deviceGrant}

var errOwnAccount = errors.New("a client with OwnAccount takes no grants of users")

// spent returns what must not be lost of an answer that a hook gave up on.
func spent(ans *answer) store.Token {
	var tok store.Token
	if ans != nil && ans.status < 300 {
		eachMember(ans.body, func(name, value []byte) {
			if string(name) == "refresh_token" {
				tok.RefreshToken = text(value)
			}
		})
	}
	return tok
}

// read turns an answer into a token. Together with an error it returns at most the refresh token, which may be the only
// copy.
func (c *Client) read(q *call, ans *answer, asked []string) (store.Token, error) {
	r := reply{}
	visit := func(name, value []byte) { r.take(name, value, ans.asked) }
	object := eachMember(ans.body, visit)
	if !object && !looksJSON(ans.body) {
		object = eachField(ans.body, visit)
	}
	if ans.status >= 300 || r.access == "" {
		return store.Token{}, c.refusal(q, ans, &r, object)
	}
	if len(r.access)+len(r.refresh)+len(r.id) > maxTokens {
		return store.Token{}, c.fail(q, ans, TooLarge, errors.New("the tokens are longer than 32 KiB"))
	}
	kept := store.Token{RefreshToken: r.refresh}
	if !visible(r.access) {
		return kept, c.fail(q, ans, ProtocolError, errors.New("access_token has characters that no header can carry"))
	}
	if err := c.typeFault(r.tokenType); err != nil {
		return kept, c.fail(q, ans, UnsupportedTokenType, err)
	}
	tok := store.Token{
		AccessToken: r.access, TokenType: r.tokenType, RefreshToken: r.refresh, IDToken: r.id,
		Scopes: r.scopes, Expiry: c.expiry(&r, ans.asked), RefreshExpiry: r.refreshIn,
	}
	if !r.scoped {
		tok.Scopes = slices.Clone(asked)
	}
	if tok.RefreshExpiry.IsZero() {
		tok.RefreshExpiry = r.refreshAt
	}
	if len(r.extra) > 0 {
		r.extra = append(r.extra, '}')
		tok.Extra = r.extra
	}
	return tok, nil
}

func (r *reply) take(name, value []byte, asked time.Time) {
	understood := true
	switch string(name) {
	case "access_token":
		r.access = text(value)
	case "refresh_token":
		r.refresh = text(value)
	case "id_token":
		r.id = text(value)
		understood = r.id != ""
	case "token_type":
		understood = value[0] == '"' && len(value) <= maxType
		if understood {
			r.tokenType = text(value)
		}
	case "scope":
		r.scopes, r.scoped = scopes(value)
		understood = r.scoped
	case "expires_in":
		r.in, r.inLife = relative(value, asked)
		understood = r.inLife != untold
	case "expires_at", "expires_on", "expires":
		if at, life := instant(value, asked); life >= r.atLife {
			r.at, r.atLife = at, life
		}
		understood = r.atLife != untold
	case "refresh_token_expires_in", "refresh_expires_in":
		understood = future(&r.refreshIn, value, asked, relative)
	case "refresh_token_expires_at", "refresh_expires_at":
		understood = future(&r.refreshAt, value, asked, instant)
	default:
		r.fault(name, value)
		r.keep(name, value)
		return
	}
	if !understood && !null(value) {
		r.keep(name, value)
	}
}

// future reads a refresh token's lifetime. Zero and less mean "no end" where servers use them at all: whoever takes
// them for expired logs the user out.
func future(into *time.Time, value []byte, asked time.Time, read func([]byte, time.Time) (time.Time, life)) bool {
	at, life := read(value, asked)
	if life == told && at.After(asked) {
		*into = at
	}
	return life != untold
}

// fault remembers the members that an error may be told in.
func (r *reply) fault(name, value []byte) {
	switch string(name) {
	case "error":
		r.err = value
	case "errors":
		r.errs = value
	case "error_description":
		r.desc = value
	case "message", "error_message":
		r.message = value
	case "error_uri":
		r.uri = value
	}
}

func (r *reply) keep(name, value []byte) {
	if len(r.extra)+len(name)+len(value)+8 > maxExtra {
		return
	}
	sep := byte(',')
	if len(r.extra) == 0 {
		sep = '{'
		r.extra = make([]byte, 0, len(name)+len(value)+128)
	}
	r.extra = append(r.extra, sep)
	if bytes.IndexFunc(name, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) < 0 {
		r.extra = append(append(append(r.extra, '"'), name...), '"')
	} else {
		r.extra = append(r.extra, jsonText(string(name))...)
	}
	r.extra = append(append(r.extra, ':'), value...)
}

func (c *Client) expiry(r *reply, asked time.Time) time.Time {
	at, life := r.in, r.inLife
	if life == untold {
		at, life = r.at, r.atLife
	}
	switch {
	case life == told:
		return at
	case life == zero && c.ZeroExpired:
		return asked
	case c.DefaultTTL > 0:
		return asked.Add(min(c.DefaultTTL, maxLife))
	default:
		return time.Time{}
	}
}

// typeFault refuses tokens that the client cannot use: those bound to a key that it does not have (RFC 9449 and older
// drafts).
func (c *Client) typeFault(kind string) error {
	want := "Bearer"
	if c.DPoP != nil {
		want = "DPoP"
	}
	if strings.EqualFold(kind, want) {
		return nil
	}
	for _, bound := range [...]string{"dpop", "mac", "pop"} {
		if strings.EqualFold(kind, bound) {
			return errors.New("token_type is bound to a key, which was not asked for")
		}
	}
	if c.StrictTokenType {
		return fmt.Errorf("token_type is not %s (StrictTokenType)", want)
	}
	return nil
}

// scopes reads a space-separated string (RFC 6749 section 3.3), one separated by commas alone, or a list of strings.
func scopes(raw []byte) (list []string, told bool) {
	var words []string
	if len(raw) > maxScope {
		return nil, false
	}
	switch raw[0] {
	case '"':
		s := text(raw)
		words = strings.Fields(s)
		if len(words) == 1 {
			words = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
		}
	case '[':
		if json.Unmarshal(raw, &words) != nil {
			return nil, false
		}
	default:
		return nil, false
	}
	list = words[:0]
	for _, w := range words {
		if w != "" && (len(list) > 64 || !slices.Contains(list, w)) {
			list = append(list, w)
		}
	}
	return slices.Clip(list), true
}

// visible reports whether s is VSCHAR without the space (RFC 6749 appendix A.12): what a header can carry.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
