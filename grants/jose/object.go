package jose

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxMembers = 128
	maxDepth   = 32
)

// member is one member of a JSON object: its name, unescaped, and its value as written.
type member struct{ name, value string }

func find(members []member, name string) string {
	for i := range members {
		if members[i].name == name {
			return members[i].value
		}
	}
	return ""
}

// readObject reads one JSON object in a single pass. It accepts less than encoding/json does: no invalid UTF-8, no
// nesting beyond 32, no two members whose names differ at most in case, and no name that is one of known in another
// case, because readers that do not mind the case would take it for the known one (RFC 8725 section 2.4). The members
// are appended to an empty slice.
func readObject(members []member, s string, known []string) ([]member, error) {
	r := reader{s: s}
	r.space()
	if !utf8.ValidString(s) || !r.take('{') {
		return nil, refuseForm
	}
	var hashes [maxMembers]uint32
	for r.space(); !r.take('}'); {
		n := len(members)
		if n > 0 {
			if !r.take(',') {
				return nil, refuseForm
			}
			r.space()
		}
		name, ok := r.name()
		if r.space(); !ok || n == maxMembers || !r.take(':') {
			return nil, refuseForm
		}
		r.space()
		start := r.i
		hashes[n] = foldedHash(name)
		if !r.value(maxDepth) || taken(members, hashes[:n+1], name) || otherCase(name, known) {
			return nil, refuseForm
		}
		members = append(members, member{name, s[start:r.i]})
		r.space()
	}
	if r.space(); r.i != len(s) {
		return nil, refuseForm
	}
	return members, nil
}

// taken says whether a member has this name already, in whatever case. hashes are those of the members and of name.
func taken(members []member, hashes []uint32, name string) bool {
	own := hashes[len(members)]
	for i := range members {
		if hashes[i] == own && strings.EqualFold(members[i].name, name) {
			return true
		}
	}
	return false
}

// foldedHash is equal for names that strings.EqualFold calls equal.
func foldedHash(name string) uint32 {
	h := uint32(2166136261) // FNV-1a
	for _, c := range name {
		if c >= utf8.RuneSelf {
			c = firstOfFold(c)
		}
		if c < utf8.RuneSelf {
			c |= 0x20
		}
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

func firstOfFold(c rune) rune {
	first := c
	for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
		first = min(first, f)
	}
	return first
}

// otherCase says whether name is one of known but for its case.
func otherCase(name string, known []string) bool {
	if lower(name) {
		return false
	}
	for _, k := range known {
		if name != k && strings.EqualFold(name, k) {
			return true
		}
	}
	return false
}

func lower(s string) bool {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

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

func (r *reader) space() {
	for r.i < len(r.s) {
		switch r.s[r.i] {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return
		}
	}
}

func (r *reader) name() (string, bool) {
	start := r.i
	plain, ok := r.str()
	if !ok {
		return "", false
	}
	if plain {
		return r.s[start+1 : r.i-1], true
	}
	return unquote(r.s[start:r.i])
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
	for r.i < len(r.s) {
		switch c := r.s[r.i]; {
		case c == '"':
			r.i++
			return plain, true
		case c < ' ':
			return false, false
		case c == '\\':
			plain = false
			if !r.escape() {
				return false, false
			}
		default:
			r.i++
		}
	}
	return false, false
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
