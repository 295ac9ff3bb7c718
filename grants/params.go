package grants

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// params are a request's parameters in the order in which they are sent; several values of one name (resource,
// audience) keep theirs.
type params []param

type param struct{ name, value string }

// set adds a parameter, or replaces the first of its name and drops the others.
func (p params) set(name, value string) params {
	i := slices.IndexFunc(p, func(q param) bool { return q.name == name })
	if i < 0 {
		return append(p, param{name, value})
	}
	p[i].value = value
	rest := slices.DeleteFunc(p[i+1:], func(q param) bool { return q.name == name })
	return p[:i+1+len(rest)]
}

// value returns the first parameter of that name; empty if there is none.
func (p params) value(name string) string {
	for _, q := range p {
		if q.name == name {
			return q.value
		}
	}
	return ""
}

// scope adds the scope parameter if there is anything to ask for.
func (p params) scope(scopes []string) params {
	if len(scopes) == 0 {
		return p
	}
	return append(p, param{"scope", strings.Join(scopes, " ")})
}

// extra adds configured parameters; they replace those of the same name.
func (p params) extra(more map[string][]string) params {
	if len(more) == 0 {
		return p
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		p = slices.DeleteFunc(p, func(q param) bool { return q.name == name })
		for _, value := range more[name] {
			p = append(p, param{name, value})
		}
	}
	return p
}

func (p params) form() string {
	var b strings.Builder
	n := 0
	for _, q := range p {
		n += len(q.name) + len(q.value) + 2
	}
	b.Grow(n + n/4)
	for i, q := range p {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(q.name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(q.value))
	}
	return b.String()
}

// json writes an object of strings, and of lists of strings where a name repeats. It refuses what JSON would alter.
func (p params) json() (string, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, q := range p {
		if slices.ContainsFunc(p[:i], func(r param) bool { return r.name == q.name }) {
			continue
		}
		var values []string
		for _, r := range p[i:] {
			if r.name == q.name {
				values = append(values, r.value)
			}
			if !utf8.ValidString(r.value) {
				return "", errors.New("parameter " + r.name + " is not UTF-8 and cannot be sent as JSON")
			}
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonText(q.name))
		b.WriteByte(':')
		if len(values) == 1 {
			b.Write(jsonText(values[0]))
			continue
		}
		list, _ := json.Marshal(values) // strings always encode
		b.Write(list)
	}
	b.WriteByte('}')
	return b.String(), nil
}

func jsonText(s string) []byte {
	b, _ := json.Marshal(s) // a string always encodes
	return b
}

// secretParams must not be found in an error text, whatever the server echoes.
var secretParams = []string{
	"password", "refresh_token", "code", "code_verifier", "client_secret", "token", "assertion", "client_assertion",
	"device_code", "subject_token", "actor_token",
}

func (p params) secrets() []string {
	var all []string
	for _, q := range p {
		if q.value != "" && slices.Contains(secretParams, q.name) {
			all = append(all, q.value)
		}
	}
	return all
}
