package memstore_test

import (
	"context"
	"encoding/json"
	"runtime"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// TestAllocations holds the hot path to its budget. It is not parallel: AllocsPerRun counts everybody's.
func TestAllocations(t *testing.T) {
	s := open(t, nil)
	plain := put(t, s, store.NewCredential("session"), session(1))
	grant := session(2)
	grant.Token.Extra, grant.Refresh = json.RawMessage(`{"a":1}`), []byte("state")
	grant = put(t, s, store.Key("grant", "2"), grant)
	two := session(3)
	two.Token.Scopes, two.Refresh = two.Token.Scopes[:2], make([]byte, 24)
	two = put(t, s, store.NewCredential("session"), two)
	ctx := t.Context()
	for _, c := range []struct {
		name string
		most float64
		run  func()
	}{
		{"get", 1, func() { s.Get(ctx, plain.Handle) }},
		{"get with a small state", 1, func() { s.Get(ctx, two.Handle) }},
		{"get with extra and state", 2, func() { s.Get(ctx, grant.Handle) }},
		{"get by credential", 1, func() { s.Get(ctx, store.Credential("session", plain.Handle.Reveal())) }},
		{"get of nothing", 0, func() { s.Get(ctx, store.Credential("session", "unknown")) }},
		{"replace", 5, func() { plain, _ = s.Put(ctx, plain.Handle, plain) }},
	} {
		if got := testing.AllocsPerRun(200, c.run); got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}

// TestMemoryComesBack: a burst of sessions leaves nothing behind once it is swept. It is not parallel: it reads the heap.
func TestMemoryComesBack(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 50_000
	}
	before, after := burst(t, n)
	if ratio := float64(after) / float64(before); ratio > 1.1 {
		t.Errorf("%d expired entries left the heap at %.2f of what it was (%d bytes, before %d)", n, ratio, after, before)
	}
}

// BenchmarkBurst is TestMemoryComesBack with a million.
func BenchmarkBurst(b *testing.B) {
	for b.Loop() {
		before, after := burst(b, 1_000_000)
		b.ReportMetric(float64(after)/float64(before), "heap-after/before")
	}
}

// burst measures the heap with some live records, before n others came and after they expired and were swept.
func burst(t testing.TB, n int) (before, after uint64) {
	t.Helper()
	s := open(t, nil)
	for i := range 20_000 {
		put(t, s, store.NewCredential("session"), session(i))
	}
	before = heap().HeapAlloc
	for i := range n {
		rec := session(i)
		rec.Expires = time.Now().Add(-time.Minute)
		put(t, s, store.NewCredential("session"), rec)
	}
	for removed := 0; removed < n; {
		m, err := s.Sweep(t.Context(), 10_000, func(context.Context, *store.Record) error { return nil })
		if err != nil || m == 0 {
			t.Fatalf("Sweep: %d removed, %v", m, err)
		}
		removed += m
	}
	after = heap().HeapAlloc
	runtime.KeepAlive(s)
	return before, after
}
