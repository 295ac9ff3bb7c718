package grants

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// eachMember calls visit with the name and the raw value of each member of a JSON object, in order, duplicates
// included, and reports whether body is one JSON object and nothing else. It keeps nothing and allocates only for names
// with escapes, so an object with a million members costs no more than its text.
func eachMember(body []byte, visit func(name, value []byte)) bool {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if !json.Valid(body) { // bounds nesting too; from here on the syntax is known to be right
		return false
	}
	i := skipSpace(body, 0)
	if body[i] != '{' {
		return false
	}
	i = skipSpace(body, i+1)
	for body[i] != '}' {
		end := skipString(body, i)
		name := body[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			var s string
			if json.Unmarshal(body[i:end], &s) == nil {
				name = []byte(s)
			}
		}
		i = skipSpace(body, skipSpace(body, end)+1) // past the colon
		end = skipValue(body, i)
		visit(name, body[i:end])
		if i = skipSpace(body, end); body[i] == ',' {
			i = skipSpace(body, i+1)
		}
	}
	return true
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for {
			switch b[i] {
			case '"':
				i = skipString(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			if i++; depth == 0 {
				return i
			}
		}
	default:
		for i < len(b) && !strings.ContainsRune(",}] \n\t\r", rune(b[i])) {
			i++
		}
		return i
	}
}

// eachField does for a form-encoded body what eachMember does for JSON; values come as JSON strings. Anything that does
// not hold one of the two names by which an answer is known is not taken for one: HTML is a valid form too.
func eachField(body []byte, visit func(name, value []byte)) bool {
	if !bytes.Contains(body, []byte("access_token=")) && !bytes.Contains(body, []byte("error=")) {
		return false
	}
	form, err := url.ParseQuery(strings.TrimSpace(string(body)))
	if err != nil || form.Get("access_token") == "" && form.Get("error") == "" {
		return false
	}
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range form[name] {
			visit([]byte(name), jsonText(value))
		}
	}
	return true
}

// text returns a string, or a number as it is written; "" for anything else.
func text(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	switch c := raw[0]; {
	case c == '"':
		inner := raw[1 : len(raw)-1]
		if bytes.IndexByte(inner, '\\') < 0 {
			return string(inner)
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	case c == '-' || c >= '0' && c <= '9':
		return string(raw)
	default:
		return ""
	}
}

// null reports whether a member is absent, or says nothing.
func null(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }
