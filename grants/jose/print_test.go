package jose_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// No verb and no logger prints what a signer signs with.
func TestSignerPrintsNoKey(t *testing.T) {
	t.Parallel()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{123}, ed25519.SeedSize))
	for alg, key := range map[string]any{"EdDSA": private, "HS256": bytes.Repeat([]byte{123}, 32)} {
		s, err := jose.NewSigner(alg, "kid", key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(map[string]any{"a": s, "b": *s})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "a", s, "b", *s)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "a", s, "b", *s)
		text := fmt.Sprintf("%v %+v %#v %s %x %d %v", s, s, s, s, s, s, *s) + string(b) + log.String()
		if strings.Contains(text, "123 123") || strings.Contains(text, "7b7b") || strings.Contains(text, "{{{") || !strings.Contains(text, `signer("kid"`) {
			t.Errorf("%s: %s", alg, text)
		}
	}
}
