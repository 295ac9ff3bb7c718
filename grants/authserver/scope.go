package authserver

import (
	"slices"
	"strings"
)

// maxScopes bounds what one request may name.
const maxScopes = 100

// isScope reports whether s is a scope-token (RFC 6749 section 3.3).
func isScope(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '\\' || r > '~'
	}) < 0
}

// parseScope splits a scope parameter into its distinct tokens; false if it is none.
func parseScope(s string) ([]string, bool) {
	var scopes []string
	for token := range strings.SplitSeq(s, " ") {
		switch {
		case token == "" || slices.Contains(scopes, token): // extra spaces are common, and harmless
		case !isScope(token) || len(scopes) == maxScopes:
			return nil, false
		default:
			scopes = append(scopes, token)
		}
	}
	return scopes, true
}

// grantable returns what asked, a scope parameter, yields for c.
func (c *client) grantable(asked string) ([]string, error) {
	scopes, ok := parseScope(asked)
	if !ok {
		return nil, fail(400, "invalid_scope", "the scope parameter is malformed")
	}
	if len(scopes) > 0 {
		if !within(scopes, c.Scopes) {
			return nil, fail(400, "invalid_scope", "the client may not have all of these scopes")
		}
		return scopes, nil
	}
	if len(c.d.Scopes) == 0 {
		return slices.Clone(c.Scopes), nil
	}
	return slices.DeleteFunc(slices.Clone(c.d.Scopes), func(scope string) bool {
		return !slices.Contains(c.Scopes, scope)
	}), nil
}

// narrowed returns what asked yields on a refresh: never more than was granted (RFC 6749 section 6).
func narrowed(asked string, granted []string) ([]string, error) {
	scopes, ok := parseScope(asked)
	switch {
	case !ok:
		return nil, fail(400, "invalid_scope", "the scope parameter is malformed")
	case len(scopes) == 0:
		return granted, nil
	case !within(scopes, granted):
		return nil, fail(400, "invalid_scope", "a refresh cannot widen the scope")
	}
	return scopes, nil
}

func within(scopes, all []string) bool {
	return !slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(all, scope) })
}

func sameScopes(a, b []string) bool { return within(a, b) && within(b, a) }
