package storetest

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
)

// bytewiseHandles: H1.
func bytewiseHandles() []testcase {
	long := strings.Repeat("x", 511)
	cases := []testcase{{"altered text", stateless, alteredText}, {"altered end", stateless, alteredEnd}}
	for _, p := range []struct{ name, a, b string }{
		{"case", "Handle", "handle"},
		{"trailing space", "handle", "handle "},
		{"leading space", " handle", "handle"},
		{"inner NUL", "han\x00dle", "han\x00dlf"},
		{"trailing NUL", "handle", "handle\x00"},
		{"last of 512 bytes", long + "a", long + "b"},
		{"length", long, long + "x"},
		{"invalid UTF-8", "handle\xff", "handle\xfe"},
		{"accents", "resume", "résumé"},
		{"composed and decomposed", "\u00e9", "e\u0301"},
		{"wildcards", "h%ndl_", "handle"},
		{"empty", "", " "},
	} {
		cases = append(cases,
			testcase{p.name, server, func(t *testing.T, e *env) {
				apart(t, e, store.Credential("session", p.a), store.Credential("session", p.b))
				apart(t, e, store.Key("storetest", p.a), store.Key("storetest", p.b))
			}})
	}
	return cases
}

// apart checks that a and b find a record each.
func apart(t *testing.T, e *env, a, b store.Handle) {
	t.Helper()
	recA := e.put(t, a, sample())
	e.absent(t, b)
	recB := e.put(t, b, sample())
	e.holds(t, a, recA)
	e.holds(t, b, recB)
	e.delete(t, a, "")
	e.holds(t, b, recB)
	e.delete(t, b, "")
}

// alteredText presents what is nearly a stateless handle.
func alteredText(t *testing.T, e *env) {
	rec := e.create(t, sample())
	text := rec.Handle.Reveal()
	if text == "" {
		t.Fatal("the handle has no text")
	}
	for _, p := range []struct{ name, text string }{
		{"case", swapCase(text)},
		{"trailing space", text + " "},
		{"trailing newline", text + "\n"},
		{"trailing NUL", text + "\x00"},
		{"trailing padding", text + "="},
		{"leading space", " " + text},
		{"one byte less", text[:len(text)-1]},
		{"one byte more", text + "A"},
		{"half", text[:len(text)/2]},
		{"empty", ""},
	} {
		if got, err := e.s.Get(t.Context(), store.Credential(rec.Handle.Purpose(), p.text)); got != nil || kind(err) != "ErrNotFound" {
			t.Errorf("%s: %v, record %v; want ErrNotFound", p.name, err, got != nil)
		}
	}
	e.holds(t, rec.Handle, rec)
}

// alteredEnd replaces the last character by every other: in base64 some of its bits may carry nothing.
func alteredEnd(t *testing.T, e *env) {
	for pad := range 3 {
		rec := sample()
		rec.Subject = strings.Repeat("s", 8+pad)
		rec = e.create(t, rec)
		text := rec.Handle.Reveal()
		start, last := text[:len(text)-1], text[len(text)-1]
		for c := byte('!'); c <= '~'; c++ {
			if c != last {
				e.absent(t, store.Credential(rec.Handle.Purpose(), start+string(rune(c))))
			}
		}
	}
}

func swapCase(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b[i] ^= 0x20
		}
	}
	return string(b)
}

// separateHandles: H2.
func separateHandles() []testcase {
	var cases []testcase
	for _, p := range []struct {
		name string
		a, b store.Handle
	}{
		{"key and credential", store.Key("42"), store.Credential("session", "42")},
		{"encoded key and credential", store.Key("42"), store.Credential("", "\x0242")},
		{"two purposes", store.Credential("session", "text"), store.Credential("refresh", "text")},
		{"no purpose", store.Credential("", "text"), store.Credential("session", "text")},
		{"purpose and text", store.Credential("ab", "c"), store.Credential("a", "bc")},
		{"bounds of parts", store.Key("ab", "c"), store.Key("a", "bc")},
		{"number of parts", store.Key("a"), store.Key("a", "")},
		{"no parts", store.Key(), store.Key("")},
	} {
		cases = append(cases, testcase{p.name, server, func(t *testing.T, e *env) { apart(t, e, p.a, p.b) }})
	}
	return cases
}

// hashedAtRest: H3.
func hashedAtRest() []testcase {
	return []testcase{
		{"at rest", raw, func(t *testing.T, e *env) {
			secret := store.NewCredential("session")
			key := store.Key("storetest", rand.Text())
			e.put(t, secret, sample())
			e.put(t, key, sample())
			at := e.Raw(t, e.s)
			for _, text := range []string{secret.Reveal(), key.Parts()[1]} {
				if how := readable(at, text); how != "" {
					t.Errorf("a handle is readable at rest (%s)", how)
				}
			}
			if sum := secret.Sum(); readable(at, string(sum[:])) == "" {
				t.Log("storetest: the handle's Sum was not found at rest: does Harness.Raw return everything?")
			}
		}},
	}
}

// zeroHandle: H4.
func zeroHandle() []testcase {
	return []testcase{
		{"get", 0, func(t *testing.T, e *env) {
			e.create(t, sample())
			e.absent(t, store.Handle{})
		}},
		{"put mints", 0, func(t *testing.T, e *env) {
			rec := e.put(t, store.Handle{}, sample())
			if h := rec.Handle; h.IsZero() || h.IsKey() || h.Purpose() != "session" || len(h.Reveal()) < 22 {
				t.Fatalf("Handle is %v with %d bytes of text, want a credential of purpose session and 128 bits or more",
					h, len(h.Reveal()))
			}
			e.holds(t, store.Credential("session", rec.Handle.Reveal()), rec)
		}},
		{"every put mints another", 0, func(t *testing.T, e *env) {
			rec := sample()
			a, b := e.put(t, store.Handle{}, rec), e.put(t, store.Handle{}, rec)
			if a.Handle == b.Handle {
				t.Error("two Puts with the zero Handle reported one handle")
			}
		}},
		{"put never replaces", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			_, err := e.s.Put(t.Context(), store.Handle{}, rec)
			fails(t, "Put with a version under the zero Handle", err, "ErrNotFound")
		}},
		{"delete", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.delete(t, store.Handle{}, "")
			e.holds(t, rec.Handle, rec)
		}},
	}
}

// reportedHandle: H5.
func reportedHandle() []testcase {
	return []testcase{
		{"put and get", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			if rec.Handle.IsZero() {
				t.Fatal("Put: Handle is zero")
			}
			if got := e.get(t, rec.Handle); got.Handle != rec.Handle {
				t.Errorf("Get: Handle is %v, want what was given", got.Handle)
			}
		}},
		{"as given", server, func(t *testing.T, e *env) {
			for _, h := range []store.Handle{store.Key("a", "b"), store.NewCredential("access")} {
				if rec := e.put(t, h, sample()); rec.Handle != h {
					t.Errorf("Put: Handle is %v, want %v", rec.Handle, h)
				}
				if rec := e.get(t, h); rec.Handle != h {
					t.Errorf("Get: Handle is %v, want %v", rec.Handle, h)
				}
			}
		}},
		{"replacing", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			next := e.put(t, rec.Handle, rec)
			if !e.Stateless && next.Handle != rec.Handle {
				t.Error("a replacement changed the handle")
			}
			if got := e.get(t, next.Handle); got.Handle != next.Handle {
				t.Error("Get: Handle is not what was given")
			}
		}},
		{"not stored", server, func(t *testing.T, e *env) {
			h, other := e.fresh(), e.fresh()
			rec := sample()
			rec.Handle = other
			if got := e.put(t, h, rec); got.Handle != h {
				t.Errorf("Put: Handle is %v, want the one given, not the record's", got.Handle)
			}
			if got := e.get(t, h); got.Handle != h {
				t.Errorf("Get: Handle is %v, want the one given, not the record's", got.Handle)
			}
			e.absent(t, other)
		}},
	}
}

// hashedHandles: H6.
func hashedHandles() []testcase {
	return []testcase{
		{"finds", server, func(t *testing.T, e *env) {
			rec := e.put(t, store.NewCredential("session"), sample())
			e.holds(t, store.Hashed(rec.Handle.Sum()), rec)
		}},
		{"replaces", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			rec.Generation++
			next := e.put(t, store.Hashed(rec.Handle.Sum()), rec)
			e.holds(t, rec.Handle, next)
		}},
		{"deletes", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.delete(t, store.Hashed(rec.Handle.Sum()), rec.Version)
			e.absent(t, rec.Handle)
		}},
		{"creates", server, func(t *testing.T, e *env) {
			h := e.fresh()
			rec := e.put(t, store.Hashed(h.Sum()), sample())
			e.holds(t, h, rec)
			_, err := e.s.Put(t.Context(), h, sample())
			fails(t, "a second create", err, "ErrExists")
		}},
	}
}
