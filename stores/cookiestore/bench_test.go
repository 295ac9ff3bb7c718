package cookiestore_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// Put and Get beside AES-256-GCM and base64 by hand over as many bytes of plaintext. Above 2,700 bytes ours deflate too.
func BenchmarkStore(b *testing.B) {
	for _, size := range []int{200, 500, 2048} {
		rec := &store.Record{ID: "R1", Subject: "user-4711", Provider: "https://id.example", Expires: time.Now().Add(time.Hour),
			Token: store.Token{TokenType: "Bearer", AccessToken: noise(size - 80)}}
		s := open(b, newRing(b))
		ctx := context.Background()
		kept := put(b, s, store.Handle{}, rec)
		block, err := aes.NewCipher(seal.NewKey())
		if err != nil {
			b.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			b.Fatal(err)
		}
		plain := make([]byte, size)
		floorPut := func() string {
			out := make([]byte, 12, 12+size+16)
			rand.Read(out)
			return base64.RawURLEncoding.EncodeToString(aead.Seal(out, out, plain, nil))
		}
		text := floorPut()
		run := func(name string, bytes int, f func()) {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(bytes), "B")
			})
		}
		run("floor put", len(text), func() { floorPut() })
		run("put", len(kept.Handle.Reveal()), func() { _, _ = s.Put(ctx, store.Handle{}, rec) })
		run("floor get", len(text), func() {
			sealed, _ := base64.RawURLEncoding.DecodeString(text)
			_, _ = aead.Open(sealed[12:12], sealed[:12], sealed[12:], nil)
		})
		run("get", len(kept.Handle.Reveal()), func() { _, _ = s.Get(ctx, kept.Handle) })
	}
}

func noise(n int) string {
	var text strings.Builder
	for text.Len() < n {
		text.WriteString(rand.Text())
	}
	return text.String()[:n]
}
