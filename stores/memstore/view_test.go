package memstore_test

import (
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
)

// What View shows is many requests' at once: who appends to one of its slices must not write where others do.
func TestViewedSlicesHaveNoRoom(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for _, bytes := range []string{"", "{}"} {
		for n := range 5 {
			h := store.NewCredential("session")
			rec := &store.Record{Refresh: []byte(bytes), Token: store.Token{Scopes: []string{"a", "b", "c", "d", "e"}[:n], Extra: []byte(bytes)}}
			if _, err := s.Put(t.Context(), h, rec); err != nil {
				t.Fatal(err)
			}
			got, _ := s.View(t.Context(), h)
			if got == nil || len(got.Token.Scopes) != n {
				t.Fatalf("shown: %v", got)
			}
			if cap(got.Token.Scopes) > n || cap(got.Token.Extra) > len(bytes) || cap(got.Refresh) > len(bytes) {
				t.Errorf("%d scopes with room for %d, %q with room for %d and %d",
					n, cap(got.Token.Scopes), bytes, cap(got.Token.Extra), cap(got.Refresh))
			}
		}
	}
}
