//go:build cgo && !race

package sqlitestore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// TestAllocations holds the calls of every request to their budgets: the driver's rows and copies, the record and its texts.
// It is not parallel: AllocsPerRun counts everybody's.
func TestAllocations(t *testing.T) {
	s := newFile(t)
	h := store.Credential("session", "text")
	rec, err := s.Put(t.Context(), h, &store.Record{
		ID: "1", Subject: "user", Expires: time.Now().Add(time.Hour), Refresh: make([]byte, 20),
		Token: store.Token{AccessToken: strings.Repeat("a", 600), RefreshToken: "r", Scopes: []string{"a", "b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		most float64
		call func() error
	}{
		{"Get", 13, func() error { _, err := s.Get(t.Context(), h); return err }},
		{"replace", 22, func() error { rec, err = s.Put(t.Context(), h, rec); return err }},
	} {
		if got := testing.AllocsPerRun(100, func() {
			if err := tt.call(); err != nil {
				t.Fatal(err)
			}
		}); got > tt.most {
			t.Errorf("%s: %.0f allocations, want %.0f at most", tt.name, got, tt.most)
		}
	}
}
