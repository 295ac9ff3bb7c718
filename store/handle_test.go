package store_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
)

// TestHandlesApart: handles are told apart by kind, purpose, and the bounds of what they are made of, whatever bytes
// they hold; both as values and by their sums.
func TestHandlesApart(t *testing.T) {
	t.Parallel()
	handles := []store.Handle{
		{},
		store.Key(), store.Key(""), store.Key("", ""), store.Key("\x00"), store.Key("\x00", ""), store.Key("", "\x00"),
		store.Key("a", "bc"), store.Key("ab", "c"), store.Key("abc"), store.Key("abc", ""), store.Key("", "abc"),
		store.Key("\x03abc"), store.Key("ABC"), store.Key("abc "), store.Key("abc\x00"),
		store.Key("42"), store.Key("session", "42"),
		store.Credential("session", "42"), store.Credential("refresh", "42"), store.Credential("", "42"),
		store.Credential("", "\x0242"), store.Credential("", "session42"), store.Credential("session4", "2"),
		store.Credential("\x07session", "42"), store.Credential("session", ""), store.Credential("", "session"),
		store.Credential("", ""), store.Credential("session", "42 "), store.Credential("session", "42\x00"),
		store.Credential("session", strings.Repeat("x", 127)), store.Credential("session", strings.Repeat("x", 128)),
		store.Key(strings.Repeat("x", 127)), store.Key(strings.Repeat("x", 128)), store.Key(strings.Repeat("x", 300)),
	}
	for i, a := range handles {
		for j, b := range handles {
			if (a == b) != (i == j) {
				t.Errorf("handles %d and %d: equal %v", i, j, a == b)
			}
			if (a.Sum() == b.Sum()) != (i == j) {
				t.Errorf("handles %d and %d: equal sums %v", i, j, a.Sum() == b.Sum())
			}
		}
	}
}

// TestSumIsStable: a sum that changed would lose every record that was ever stored.
func TestSumIsStable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		h     store.Handle
		bytes string // what is hashed: the kind, the purpose after its length, the text
		want  string
	}{
		{"key", store.Key("ulule", "42"), "\x01\x00\x05ulule\x0242",
			"3f6526e343840f8456ec166f4d72d4e62e64dfd4f316124016b5af2df5d33576"},
		{"credential", store.Credential("session", "text"), "\x02\x07sessiontext", "715a2f0143113d0e24878afc7fc540523cee4636c6c373aa82ac0dd33e9b1578"},
		{"long", store.Credential("access", strings.Repeat("x", 1000)), "\x02\x06access" + strings.Repeat("x", 1000), ""},
		{"long part", store.Key(strings.Repeat("x", 200)), "\x01\x00\xc8\x01" + strings.Repeat("x", 200), ""},
	} {
		sum := c.h.Sum()
		if want := sha256.Sum256([]byte(c.bytes)); sum != want {
			t.Errorf("%s: sum %x, want that of %q", c.name, sum, c.bytes)
		}
		if got := hex.EncodeToString(sum[:]); c.want != "" && got != c.want {
			t.Errorf("%s: sum %s, want %s", c.name, got, c.want)
		}
	}
}

func TestKeyParts(t *testing.T) {
	t.Parallel()
	for _, parts := range [][]string{
		nil, {""}, {"", ""}, {"a"}, {"a", "b"}, {"\x00", "\xff\xfe", ""}, {strings.Repeat("x", 127)}, {strings.Repeat("y", 512), "z"},
		{strings.Repeat("long", 10_000)},
	} {
		h := store.Key(parts...)
		if got := h.Parts(); !slices.Equal(got, parts) {
			t.Errorf("parts of %d: %q", len(parts), got)
		}
		if !h.IsKey() || h.IsZero() || h.Purpose() != "" || h.Reveal() != "" {
			t.Errorf("a key of %d parts does not look like one", len(parts))
		}
	}
}

func FuzzKeyParts(f *testing.F) {
	f.Add("ulule", "42", "")
	f.Add("", "\x00", "\x80\x80\x01")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if got := store.Key(a, b, c).Parts(); !slices.Equal(got, []string{a, b, c}) {
			t.Errorf("parts %q, want %q", got, []string{a, b, c})
		}
		if a != "" && store.Key(a+b, c) == store.Key(a, b+c) && b != "" {
			t.Error("parts run together")
		}
	})
}

func TestCredential(t *testing.T) {
	t.Parallel()
	h := store.Credential("session", "text")
	if h.Purpose() != "session" || h.Reveal() != "text" || h.IsKey() || h.IsZero() || h.Parts() != nil {
		t.Error("a credential does not look like one")
	}
	if h != store.Credential("session", "text") {
		t.Error("equal credentials differ")
	}
}

func TestNewCredential(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		h := store.NewCredential("session")
		text := h.Reveal()
		if len(text) != 43 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("text of %d bytes, want 32 random bytes in base64url", len(text))
		}
		if seen[text] || h.Purpose() != "session" {
			t.Fatal("a credential was minted twice, or for another purpose")
		}
		seen[text] = true
	}
}

func TestHashed(t *testing.T) {
	t.Parallel()
	for _, full := range []store.Handle{store.Key("a", "b"), store.Credential("session", "text"), store.NewCredential("x")} {
		h := store.Hashed(full.Sum())
		if h.Sum() != full.Sum() {
			t.Error("the hashed handle has another sum")
		}
		if h == full || h != store.Hashed(full.Sum()) {
			t.Error("a hashed handle equals its full one, or not itself")
		}
		if h.IsZero() || h.IsKey() || h.Purpose() != "" || h.Reveal() != "" || h.Parts() != nil {
			t.Error("a hashed handle tells more than its sum")
		}
	}
	if store.Hashed([32]byte{}).IsZero() {
		t.Error("a hashed handle of zeros is the zero one")
	}
}

func TestZeroHandle(t *testing.T) {
	t.Parallel()
	var h store.Handle
	if !h.IsZero() || h.IsKey() || h.Purpose() != "" || h.Reveal() != "" || h.Parts() != nil {
		t.Error("the zero handle is something")
	}
}

// TestSumAllocations is not parallel: AllocsPerRun counts everybody's.
func TestSumAllocations(t *testing.T) {
	h := store.NewCredential("session")
	if n := testing.AllocsPerRun(100, func() { h.Sum() }); n != 0 {
		t.Errorf("Sum: %v allocations, want none", n)
	}
}

func BenchmarkSum(b *testing.B) {
	h := store.NewCredential("session")
	b.ReportAllocs()
	for b.Loop() {
		h.Sum()
	}
}
