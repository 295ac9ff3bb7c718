//go:build !race

package seal_test

import "testing"

// Allocation budgets: what a call returns, and nothing else. Not parallel, because it counts; not under the race detector,
// which empties pools at random.
func TestRing_allocations(t *testing.T) {
	ring, name := newRing(t), string(make([]byte, 32))
	rec := sized(t, 1024)
	rec.Refresh = make([]byte, 24)
	sealed, err := ring.Seal(name, rec)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		run  func()
		want float64
	}{
		{"Seal: the sealed form", func() { _, _ = ring.Seal(name, rec) }, 1},
		{"Open: the record with its scopes and its state, and its texts", func() { _, _ = ring.Open(name, sealed, noon) }, 2},
		{"Open of rubbish", func() { _, _ = ring.Open(name, sealed[:60], noon) }, 0},
	}
	for _, tc := range cases {
		if got := testing.AllocsPerRun(200, tc.run); got > tc.want+0.5 {
			t.Errorf("%s: %.1f allocations, want %.0f", tc.name, got, tc.want)
		}
	}
}
