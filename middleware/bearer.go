package middleware

import (
	"strings"
	"sync"
)

// bearer reads the Authorization field lines (RFC 6750 section 2.1) without allocating:
//
//	b64token    = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
//	credentials = "Bearer" 1*SP b64token
//
// The scheme's case does not matter (RFC 9110 section 11.1). Another scheme is no bearer token at all, which is not an
// error; more than one line is one, whichever of them is good.
func bearer(lines []string, limit int) (string, *denial) {
	switch len(lines) {
	case 0:
		return "", denyNoToken
	case 1:
	default:
		return "", denyTwoHeaders
	}
	const scheme = "Bearer"
	line := lines[0]
	if !strings.HasPrefix(line, scheme) && (len(line) < len(scheme) || !strings.EqualFold(line[:len(scheme)], scheme)) {
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
	return checkToken(token[n:], limit)
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
	for ; i < len(token); i++ {
		if token[i] < ' ' || token[i] == 0x7f {
			return "", denyMalformed // a control character is no token of anybody's
		}
	}
	return "", denyInvalidToken
}

// b64TokenChars counts the characters of a b64token that s begins with. Every token passes here whole, rubbish of 8 KiB
// included, and one by one they were a third of a request: so eight at a time, looked up as pairs.
func b64TokenChars(s string) int {
	is, i := b64TokenPairs(), 0
	for ; i+8 <= len(s); i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		if is[uint16(x)]&is[uint16(x>>16)]&is[uint16(x>>32)]&is[uint16(x>>48)] == 0 {
			break
		}
	}
	for i < len(s) && isB64TokenChar(s[i]) {
		i++
	}
	return i
}

// b64TokenPairs has a 1 for each two b64token characters.
var b64TokenPairs = sync.OnceValue(func() *[1 << 16]byte {
	var is [1 << 16]byte
	for pair := range is {
		if isB64TokenChar(byte(pair)) && isB64TokenChar(byte(pair>>8)) {
			is[pair] = 1
		}
	}
	return &is
})

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
