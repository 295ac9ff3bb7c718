package storetest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// noise returns n bytes of text that do not compress below three quarters.
func noise(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}

// hugeText returns two megabytes that DEFLATE cannot fold: what repeats is further apart than it looks back.
func hugeText() string { return strings.Repeat(noise(64<<10), 32) }

// sizes: V3.
func sizes() []testcase {
	holds := func(name string, edit func(rec *store.Record)) testcase {
		return testcase{name, server, func(t *testing.T, e *env) {
			rec := sample()
			edit(rec)
			got := e.create(t, rec)
			rec.Version = got.Version
			e.holdsAll(t, got.Handle, rec)
			got = e.put(t, got.Handle, rec)
			e.holdsAll(t, got.Handle, rec)
		}}
	}
	return []testcase{
		holds("records of 60 KiB", func(rec *store.Record) {
			rec.Token.AccessToken, rec.Token.IDToken = noise(24<<10), noise(30<<10)
			rec.Refresh = []byte(noise(4 << 10))
		}),
		holds("one token of 60 KiB", func(rec *store.Record) { rec.Token.AccessToken = noise(60 << 10) }),
		holds("refresh state of 4 KiB", func(rec *store.Record) {
			rec.Refresh = make([]byte, 4<<10)
			rand.Read(rec.Refresh)
		}),
		holds("refresh state of 4 KiB of zeros", func(rec *store.Record) { rec.Refresh = make([]byte, 4<<10) }),
		holds("subject of 512 bytes", func(rec *store.Record) { rec.Subject = noise(512) }),
		holds("subject of 512 odd bytes", func(rec *store.Record) { rec.Subject = strings.Repeat("\xff\x00", 256) }),
		holds("grant of 512 bytes", func(rec *store.Record) { rec.Grant = store.Key("grant", noise(512)) }),
		{"key parts of 512 bytes", server, func(t *testing.T, e *env) {
			rec := e.put(t, store.Key(noise(512), noise(512), noise(512)), sample())
			e.holdsAll(t, rec.Handle, rec)
		}},
		{"a credential of 4 KiB", server, func(t *testing.T, e *env) {
			rec := e.put(t, store.Credential("access", noise(4<<10)), sample())
			e.holdsAll(t, rec.Handle, rec)
		}},
	}
}

// unsupported: V4.
func unsupported() []testcase {
	huge := func() *store.Record {
		rec := sample()
		rec.Token.AccessToken = hugeText()
		return rec
	}
	return []testcase{
		{"two megabytes, held whole or refused", 0, func(t *testing.T, e *env) {
			h, rec := e.fresh(), huge()
			got, err := e.s.Put(t.Context(), h, rec)
			if err == nil {
				rec.Version = got.Version
				e.holds(t, got.Handle, rec)
				return
			}
			fails(t, "Put of two megabytes", err, "errors.ErrUnsupported")
			if !e.Stateless {
				e.absent(t, h)
			}
		}},
		{"two megabytes over a record", server, func(t *testing.T, e *env) {
			old, rec := e.create(t, sample()), huge()
			rec.Version = old.Version
			got, err := e.s.Put(t.Context(), old.Handle, rec)
			if err == nil {
				rec.Version = got.Version
				e.holds(t, old.Handle, rec)
				return
			}
			fails(t, "Put of two megabytes", err, "errors.ErrUnsupported")
			e.holds(t, old.Handle, old)
		}},
		{"a key", stateless, func(t *testing.T, e *env) {
			h := store.Key("storetest", "key")
			_, err := e.s.Put(t.Context(), h, sample())
			fails(t, "Put under a Key", err, "errors.ErrUnsupported")
			got, err := e.s.Get(t.Context(), h)
			if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, store.ErrNotFound) || got != nil {
				t.Errorf("Get of a Key: %v, record %v", err, got != nil)
			}
		}},
	}
}

// sealedAtRest: V5.
func sealedAtRest() []testcase {
	probe := func(name string, needs need, prepare func(t *testing.T, e *env) (*store.Record, []byte)) testcase {
		return testcase{name, needs, func(t *testing.T, e *env) {
			rec, at := prepare(t, e)
			if len(at) == 0 {
				t.Fatal("Harness.Raw returned nothing")
			}
			for what, text := range secrets(rec) {
				if e.Stateless && what == "the handle's text" {
					continue // it is the sealed record
				}
				if how := readable(at, text); how != "" {
					t.Errorf("%s is readable at rest (%s)", what, how)
				}
			}
		}}
	}
	return []testcase{
		probe("live", raw|server, func(t *testing.T, e *env) (*store.Record, []byte) {
			rec := e.put(t, store.NewCredential("session"), sample())
			e.put(t, store.Key("storetest", noise(16)), sample())
			return rec, e.Raw(t, e.s)
		}),
		probe("under a key", raw|server, func(t *testing.T, e *env) (*store.Record, []byte) {
			rec := e.create(t, sample())
			return rec, e.Raw(t, e.s)
		}),
		probe("replaced, ended and expired", raw|server, func(t *testing.T, e *env) (*store.Record, []byte) {
			rec := e.create(t, sample())
			rec.Expires = e.now(t).Add(-time.Minute)
			rec = e.end(t, e.put(t, rec.Handle, rec))
			return rec, e.Raw(t, e.s)
		}),
		probe("handle", stateless, func(t *testing.T, e *env) (*store.Record, []byte) {
			rec := e.create(t, sample())
			text := rec.Handle.Reveal()
			at := []byte(text)
			for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
				for skip := range min(4, len(text)) {
					b, _ := enc.DecodeString(text[skip:]) // what can be decoded before the first foreign byte
					at = append(at, b...)
				}
			}
			return rec, at
		}),
	}
}

// readable tells how text can be read in at, "" if it cannot.
func readable(at []byte, text string) string {
	if text == "" {
		return ""
	}
	b := []byte(text)
	forms := map[string]string{"plain": text, "hex": hex.EncodeToString(b), "HEX": strings.ToUpper(hex.EncodeToString(b))}
	for skip := range 3 { // base64 depends on where in a longer text it begins
		if len(b) <= skip+3 {
			break
		}
		whole := b[skip : skip+(len(b)-skip)/3*3]
		forms["base64"+strings.Repeat("'", skip)] = base64.StdEncoding.EncodeToString(whole)
		forms["base64url"+strings.Repeat("'", skip)] = base64.URLEncoding.EncodeToString(whole)
	}
	for how, form := range forms {
		if bytes.Contains(at, []byte(form)) {
			return how
		}
	}
	return ""
}
