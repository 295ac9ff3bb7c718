package introspect_test

import (
	"fmt"
	"testing"
)

// Requests with one token share a record: who appends to one of its slices must not write where others do.
func TestSharedSlicesHaveNoRoom(t *testing.T) {
	t.Parallel()
	s := newServer()
	v := newVerifier(t, s, nil)
	for i, scope := range []string{`""`, `"a b c"`, `["a","b","c"]`, `["a","a","a"]`} {
		token := fmt.Sprintf("token-%d", i)
		s.set(token, `{"active":true,"sub":"alice","scope":`+scope+`}`)
		rec, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := rec.Token.Scopes, rec.Token.Extra; cap(a) > len(a) || cap(b) > len(b) {
			t.Errorf("%d scopes with room for %d, an answer of %d bytes with room for %d", len(a), cap(a), len(b), cap(b))
		}
	}
}
