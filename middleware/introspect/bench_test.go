package introspect_test

import (
	"testing"
)

// BenchmarkVerify is a token that was asked about within Life.
func BenchmarkVerify(b *testing.B) {
	v := newVerifier(b, newServer(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), "alice-token"); err != nil {
			b.Fatal(err)
		}
	}
}
