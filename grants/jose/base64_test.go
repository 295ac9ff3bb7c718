package jose_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// judge compares the decoder with encoding/base64, of which it refuses line breaks only.
func judge(t *testing.T, s string) {
	t.Helper()
	want, refused := base64.RawURLEncoding.Strict().DecodeString(s)
	good := refused == nil && !strings.ContainsAny(s, "\r\n")
	if got, err := jose.Decode(s); (err == nil) != good || good && !bytes.Equal(got, want) {
		t.Fatalf("%q: %x, %v, want %x, %v", s, got, err, want, refused)
	}
}

// Each character at each place of a text of each length, whether it is read alone or among seven others.
func TestDecode(t *testing.T) {
	t.Parallel()
	for length := range 28 {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("gAZ-9_azw0Qb", 3)[:length])
				text[at] = byte(c)
				judge(t, string(text))
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "A", "AA", "AB", "AAA", "AAB", "AA==", "AA\n", "++//", "eyJhbGciOiJIUzI1NiJ9", strings.Repeat("A", 2000)} {
		f.Add(seed)
	}
	f.Fuzz(judge)
}
