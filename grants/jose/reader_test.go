package jose_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// Strings are read eight bytes at a time: each byte at each place of a string counts all the same, and ends it or not.
func TestEveryByteOfAString(t *testing.T) {
	t.Parallel()
	for length := range 26 {
		for at := range length {
			for c := range 256 {
				text := []byte(`{"s":"` + strings.Repeat("s", length) + `","e":"e"}`)
				text[len(`{"s":"`)+at] = byte(c)
				claims, err := jose.ReadClaims(string(text))
				want := map[string]string{}
				good := json.Unmarshal(text, &want) == nil && utf8.Valid(text)
				if (err == nil) != good || good && (claims.Text("s") != want["s"] || claims.Text("e") != "e") {
					t.Fatalf("%q: %v, want accepted: %t", text, err, good)
				}
			}
		}
	}
}
