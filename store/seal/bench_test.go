package seal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// Everything stands beside AES-256-GCM by hand, over as many bytes, with one key, a random nonce in front and the same
// associated data. The two take turns, so that both meet the same weather: "x/floor" is the ratio of the medians. "naive" is
// XAES as the specification writes it, with a derivation for each message.
func BenchmarkBytes(b *testing.B) {
	for _, size := range []int{200, 2048} {
		plain, name := make([]byte, size), string(make([]byte, 32))
		floorSeal, floorOpen := floors(b, size)
		key, nonce := [32]byte(seal.NewKey()), make([]byte, 24)
		own, other := newRing(b, key[:]), newRing(b, seal.NewKey(), seal.NewKey(), key[:])
		sealed := own.SealBytes("session", name, plain)
		open := func(r *seal.Ring) func() {
			return func() {
				if _, err := r.OpenBytes("session", name, sealed); err != nil {
					b.Fatal(err)
				}
			}
		}
		beside(b, fmt.Sprintf("%d/seal", size), func() { own.SealBytes("session", name, plain) }, floorSeal)
		beside(b, fmt.Sprintf("%d/naive seal", size), func() {
			rand.Read(nonce)
			seal.XAES(key, nonce, plain, nil)
		}, floorSeal)
		beside(b, fmt.Sprintf("%d/open", size), open(own), floorOpen)
		beside(b, fmt.Sprintf("%d/open, third key, another process", size), open(other), floorOpen)
	}
}

// A whole record, its encoding included.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{200, 2048} {
		rec, ring, name := sized(b, size), newRing(b), string(make([]byte, 32))
		floorSeal, floorOpen := floors(b, size)
		for _, row := range []struct {
			name string
			ring *seal.Ring
		}{{"", ring}, {"compact ", ring.Compact()}} {
			sealed, err := row.ring.Seal(name, rec)
			if err != nil {
				b.Fatal(err)
			}
			title := func(what string) string { return fmt.Sprintf("%d/%s%s, %d B", size, row.name, what, len(sealed)) }
			beside(b, title("seal"), func() { _, _ = row.ring.Seal(name, rec) }, floorSeal)
			beside(b, title("open"), func() { _, _ = row.ring.Open(name, sealed, noon) }, floorOpen)
		}
	}
}

func beside(b *testing.B, name string, ours, floor func()) {
	b.Run(name, func(b *testing.B) {
		const block = 20
		timed := func(f func()) time.Duration {
			began := time.Now()
			for range block {
				f()
			}
			return time.Since(began) / block
		}
		var a, z []time.Duration
		for b.Loop() {
			a, z = append(a, timed(ours)), append(z, timed(floor))
		}
		slices.Sort(a)
		slices.Sort(z)
		b.ReportMetric(0, "ns/op") // of a block of both: nobody's figure
		b.ReportMetric(float64(a[len(a)/2]), "ns/ours")
		b.ReportMetric(float64(a[len(a)/2])/float64(z[len(z)/2]), "x/floor")
	})
}

func floors(tb testing.TB, size int) (sealing, opening func()) {
	aead, aad, plain := floor(tb), make([]byte, 48), make([]byte, size)
	sealed := aead.Seal(make([]byte, 12), make([]byte, 12), plain, aad)
	sealing = func() {
		out := make([]byte, 12, 12+size+16)
		rand.Read(out)
		aead.Seal(out, out, plain, aad)
	}
	return sealing, func() {
		if _, err := aead.Open(nil, sealed[:12], sealed[12:], aad); err != nil {
			tb.Fatal(err)
		}
	}
}

func floor(tb testing.TB) cipher.AEAD {
	tb.Helper()
	block, err := aes.NewCipher(seal.NewKey())
	if err != nil {
		tb.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		tb.Fatal(err)
	}
	return aead
}

// sized returns a record whose encoding has n bytes: random base64, as tokens are.
func sized(tb testing.TB, n int) *store.Record {
	tb.Helper()
	rec := &store.Record{ID: rand.Text(), Generation: 3, Subject: "user-4711", Provider: "https://id.example",
		Token:   store.Token{TokenType: "Bearer", Scopes: []string{"read", "write"}, Expiry: noon, RefreshToken: rand.Text()},
		Created: noon, Updated: noon, Expires: noon.Add(1 << 40)}
	b, err := seal.Encode(rec)
	if err != nil {
		tb.Fatal(err)
	}
	var token strings.Builder
	for len(b)+2+token.Len() < n {
		token.WriteString(rand.Text())
	}
	if room := n - len(b) - 2; room > 0 {
		rec.Token.AccessToken = token.String()[:room]
	}
	return rec
}
