package jose

import (
	"encoding/json"
	"math/bits"
	"strings"
)

// reader walks over JSON text (RFC 8259).
type reader struct {
	s string
	i int
}

func (r *reader) take(c byte) bool {
	if r.i < len(r.s) && r.s[r.i] == c {
		r.i++
		return true
	}
	return false
}

// space is inlined: most tokens have none.
func (r *reader) space() {
	if r.i < len(r.s) && r.s[r.i] <= ' ' {
		r.spaces()
	}
}

func (r *reader) spaces() {
	for r.i < len(r.s) {
		switch r.s[r.i] {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return
		}
	}
}

// unquote decodes a string that has been read, escapes and all.
func unquote(quoted string) (string, bool) {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], true
	}
	var s string
	err := json.Unmarshal([]byte(quoted), &s)
	return s, err == nil
}

func (r *reader) value(depth int) bool {
	if r.i == len(r.s) || depth == 0 {
		return false
	}
	switch c := r.s[r.i]; c {
	case '"':
		_, ok := r.str()
		return ok
	case '{':
		return r.object(depth)
	case '[':
		return r.array(depth)
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	default:
		return r.number()
	}
}

func (r *reader) word(w string) bool {
	if !strings.HasPrefix(r.s[r.i:], w) {
		return false
	}
	r.i += len(w)
	return true
}

func (r *reader) object(depth int) bool {
	r.i++
	r.space()
	if r.take('}') {
		return true
	}
	for {
		r.space()
		if _, ok := r.str(); !ok {
			return false
		}
		if r.space(); !r.take(':') {
			return false
		}
		if r.space(); !r.value(depth - 1) {
			return false
		}
		if r.space(); r.take('}') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

func (r *reader) array(depth int) bool {
	r.i++
	r.space()
	if r.take(']') {
		return true
	}
	for {
		if r.space(); !r.value(depth - 1) {
			return false
		}
		if r.space(); r.take(']') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

// str reads a string; plain says that it holds no escape.
func (r *reader) str() (plain, ok bool) {
	if !r.take('"') {
		return false, false
	}
	plain = true
	for {
		i := special(r.s, r.i)
		if i == len(r.s) || r.s[i] < ' ' {
			return false, false
		}
		if r.s[i] == '"' {
			r.i = i + 1
			return plain, true
		}
		r.i = i
		plain = false
		if !r.escape() {
			return false, false
		}
	}
}

// special returns where the next quote, backslash or control character is, from i on, or the end: eight at a time, as
// most of what is read is inside of strings. Such a byte has its highest bit set in stop, the first one exactly.
func special(s string, i int) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		stop := ((x - ' '*each) | ((x ^ '"'*each) - each) | ((x ^ '\\'*each) - each)) &^ x & high
		if stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
	}
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] >= ' ' {
		i++
	}
	return i
}

func (r *reader) escape() bool {
	if r.i+1 == len(r.s) {
		return false
	}
	c := r.s[r.i+1]
	r.i += 2
	if c != 'u' {
		return strings.IndexByte(`"\/bfnrt`, c) >= 0
	}
	high, ok := r.hex()
	if !ok || high < 0xd800 || high > 0xdfff {
		return ok
	}
	if high > 0xdbff || !r.word(`\u`) { // half of a surrogate pair
		return false
	}
	low, ok := r.hex()
	return ok && low >= 0xdc00 && low <= 0xdfff
}

func (r *reader) hex() (n int, ok bool) {
	if len(r.s)-r.i < 4 {
		return 0, false
	}
	for range 4 {
		c := r.s[r.i]
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | int(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | int(c|0x20-'a'+10)
		default:
			return 0, false
		}
		r.i++
	}
	return n, true
}

func (r *reader) number() bool {
	r.take('-')
	if !r.take('0') && !r.digits() {
		return false
	}
	if r.take('.') && !r.digits() {
		return false
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		return r.digits()
	}
	return true
}

func (r *reader) digits() bool {
	start := r.i
	for r.i < len(r.s) && '0' <= r.s[r.i] && r.s[r.i] <= '9' {
		r.i++
	}
	return r.i > start
}
