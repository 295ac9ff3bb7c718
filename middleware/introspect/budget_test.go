//go:build !race

package introspect_test

import (
	"strings"
	"testing"
)

// A token asked about within Life costs nothing: requests share its record.
func TestAllocations(t *testing.T) {
	s := newServer()
	long := strings.Repeat("long-", 200)
	s.set(long, alice)
	v := newVerifier(t, s, nil)
	for _, token := range []string{"alice-token", long} {
		if n := testing.AllocsPerRun(1000, func() { v.Verify(t.Context(), token) }); n > 0 {
			t.Errorf("%d bytes: %v allocations, want none", len(token), n)
		}
	}
}
