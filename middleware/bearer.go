package middleware

import (
	"context"
	"strings"

	"github.com/tokenkeep/tokenkeep/middleware/internal/strict"
	"github.com/tokenkeep/tokenkeep/store"
)

// bearer reads the Authorization field lines (RFC 6750 section 2.1) without allocating:
//
//	b64token    = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
//	credentials = "Bearer" 1*SP b64token
//
// The scheme's case does not matter (RFC 9110 section 11.1). Another scheme is no bearer token at all, which is not an
// error; more than one line is one, whichever of them is good. The token is one for the verifier of g: see readsTokens.
func (g *Guard[U]) bearer(lines []string) (string, *denial) {
	switch len(lines) {
	case 0:
		return "", denyNoToken
	case 1:
	default:
		return "", denyTwoHeaders
	}
	const scheme = "Bearer"
	line := lines[0]
	if len(line) < len(scheme) || !strings.EqualFold(line[:len(scheme)], scheme) {
		return "", denyNoToken
	}
	token := line[len(scheme):]
	if token != "" && isTokenChar(token[0]) {
		return "", denyNoToken // a longer scheme name, such as BearerX
	}
	n := 0
	for n < len(token) && token[n] == ' ' {
		n++
	}
	if n == 0 || n == len(token) {
		return "", denyMalformed
	}
	if token = token[n:]; len(token) <= g.o.TokenLimit && !g.readsTokens {
		return token, nil
	}
	return checkToken(token, g.o.TokenLimit)
}

// readsTokens says whether the guard has to see that a token is a b64token before v does: v may be anybody's. Those that
// see to it themselves spare a request a tenth, and 8 KiB of rubbish nearly all. Where credentials come in other ways as
// well, which of them is at fault depends on it.
func readsTokens(v Verifier, o *Options) bool {
	return !strict.Is(v) || o.Session != nil || o.FormToken || o.InsecureQueryToken
}

// verify asks the verifier. What it refused is malformed if it has a control character, as it is where the guard reads.
func (g *Guard[U]) verify(ctx context.Context, token string) (*store.Record, *denial) {
	rec, refused := verified(g.verifier.Verify(ctx, token))
	if refused != nil && !g.readsTokens && hasControl(token) {
		return nil, denyMalformed
	}
	return rec, refused
}

// checkToken refuses what no verifier needs to see: the length first, before anything is hashed or parsed.
func checkToken(token string, limit int) (string, *denial) {
	if len(token) > limit {
		return "", denyInvalidToken
	}
	i := b64TokenChars(token)
	chars := i
	for i < len(token) && token[i] == '=' {
		i++
	}
	if chars > 0 && i == len(token) {
		return token, nil
	}
	if hasControl(token[i:]) {
		return "", denyMalformed // a control character is no token of anybody's
	}
	return "", denyInvalidToken
}

// hasControl says whether s has a control character. It goes over ASCII sixteen at a time: in a word, what is below a
// space borrows from its highest bit, what is above a tilde adds to it, and beyond ASCII it is set.
func hasControl(s string) bool {
	const each = 0x0101010101010101
	for len(s) >= 16 {
		x, y := word(s), word(s[8:])
		if ((x-' '*each)|(x+each)|x|(y-' '*each)|(y+each)|y)&(0x80*each) != 0 {
			break
		}
		s = s[16:]
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// b64TokenChars counts the characters of a b64token that s begins with; eight at a time, because every accepted token
// passes here whole, and one by one was a third of a request.
func b64TokenChars(s string) int {
	is, i := &b64TokenTable, 0
	for ; i+8 <= len(s); i += 8 {
		if w := s[i : i+8]; is[w[0]]&is[w[1]]&is[w[2]]&is[w[3]]&is[w[4]]&is[w[5]]&is[w[6]]&is[w[7]] == 0 {
			break
		}
	}
	for i < len(s) && is[s[i]] == 1 {
		i++
	}
	return i
}

// b64TokenTable has a 1 for each b64token character.
var b64TokenTable = func() (is [256]byte) {
	for c := range is {
		if isB64TokenChar(byte(c)) {
			is[c] = 1
		}
	}
	return is
}()

func isAlphaNum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isB64TokenChar(c byte) bool {
	return isAlphaNum(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/'
}

// isTokenChar is tchar of RFC 9110 section 5.6.2: what a scheme's name is made of.
func isTokenChar(c byte) bool {
	return isAlphaNum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isScopeToken is scope-token of RFC 6749 section 3.3. It is also safe inside a quoted-string.
func isScopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
