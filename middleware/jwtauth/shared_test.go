package jwtauth_test

import (
	"encoding/json"
	"testing"
)

// Requests with one token share a record: who appends to one of its slices must not write where others do.
func TestSharedSlicesHaveNoRoom(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "a")
	v := newVerifier(t, rules(s), nil)
	for _, scope := range []any{"a", "a b c", []string{}, []string{"a"}, []string{"a", "b", "c"}, json.RawMessage(`["a","b","c","d","e"]`)} {
		rec, err := v.Verify(t.Context(), mint(t, s, map[string]any{"scope": scope}))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := rec.Token.Scopes, rec.Token.Extra; cap(a) > len(a) || cap(b) > len(b) {
			t.Errorf("%d scopes with room for %d, claims of %d bytes with room for %d", len(a), cap(a), len(b), cap(b))
		}
	}
}
