package jose

import (
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
