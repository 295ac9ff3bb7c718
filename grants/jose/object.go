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

// member is where a member's name, without its quotes, and its value are in the text of an object: no pointers, as the
// members of claims are kept.
type member struct {
	from, to, value, end uint32
	fold                 uint32 // foldedHash of the name
	escaped              bool   // the name
}

func (m *member) nameIn(text string) string {
	if m.escaped {
		return m.unescapedIn(text)
	}
	return text[m.from:m.to]
}

//go:noinline
func (m *member) unescapedIn(text string) string { // on its own, so that nameIn is inlined
	s, _ := unquote(text[m.from-1 : m.to+1]) // which succeeds for whatever str accepts
	return s
}

func (m *member) valueIn(text string) string { return text[m.value:m.end] }

func find(text string, members []member, name string) string {
	for i := range members {
		if members[i].nameIn(text) == name {
			return members[i].valueIn(text)
		}
	}
	return ""
}

// readObject reads one JSON object in a single pass. It accepts less than encoding/json does: no invalid UTF-8, no
// nesting beyond 32, no two members whose names differ at most in case, and no name that is one of known in another
// case, because readers that do not mind the case would take it for the known one (RFC 8725 section 2.4). The members
// are appended to an empty slice.
func readObject(members []member, text string, known []string) ([]member, error) {
	r := reader{s: text}
	r.space()
	if !utf8.ValidString(text) || !r.take('{') {
		return nil, refuseForm
	}
	for r.space(); !r.take('}'); r.space() {
		if len(members) > 0 {
			if !r.take(',') {
				return nil, refuseForm
			}
			r.space()
		}
		before := members
		members = append(members, member{})
		m := &members[len(before)] // written where it stays
		if !r.member(m) || len(members) > maxMembers {
			return nil, refuseForm
		}
		name := m.nameIn(text)
		fold, lower := foldedHash(name)
		m.fold = fold
		if taken(text, before, name, fold) || !lower && otherCase(name, known) {
			return nil, refuseForm
		}
	}
	if r.space(); r.i != len(text) {
		return nil, refuseForm
	}
	return members, nil
}

func (r *reader) member(m *member) bool {
	m.from = uint32(r.i) + 1
	plain, ok := r.str()
	m.to, m.escaped = uint32(r.i)-1, !plain
	if r.space(); !ok || !r.take(':') {
		return false
	}
	r.space()
	m.value = uint32(r.i)
	ok = r.value(maxDepth)
	m.end = uint32(r.i)
	return ok
}

// taken says whether a member has this name already, in whatever case. A third name of one hash passes for taken: such
// names are made on purpose, so that each is unescaped and compared with all.
func taken(text string, members []member, name string, fold uint32) bool {
	alike := 0
	for i := range members {
		if members[i].fold != fold {
			continue
		}
		if alike++; alike > 1 || strings.EqualFold(members[i].nameIn(text), name) {
			return true
		}
	}
	return false
}

// foldedHash (FNV-1a) is equal for names that strings.EqualFold calls equal; lower says that no letter is a capital, and
// all are ASCII.
func foldedHash(name string) (h uint32, lower bool) {
	h, lower = hashBasis, true
	for i := range len(name) {
		c := name[i]
		if c >= utf8.RuneSelf {
			return foldedRunes(name), false
		}
		if 'A' <= c && c <= 'Z' {
			lower = false
			c |= 0x20
		}
		h = (h ^ uint32(c)) * hashPrime
	}
	return h, lower
}

const hashBasis, hashPrime = 2166136261, 16777619

func foldedRunes(name string) uint32 {
	h := uint32(hashBasis)
	for _, c := range name {
		if c >= utf8.RuneSelf {
			c = firstOfFold(c)
		}
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		h = (h ^ uint32(c)) * hashPrime
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
	for _, k := range known {
		if name != k && strings.EqualFold(name, k) {
			return true
		}
	}
	return false
}
