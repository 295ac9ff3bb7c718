package storetest

import (
	"bytes"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
)

// tampered: G4.
func tampered() []testcase {
	flip := func(sealed []byte, i int) []byte {
		sealed = bytes.Clone(sealed)
		sealed[i] ^= 1
		return sealed
	}
	return []testcase{
		{"last byte", edit | server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.Edit(t, e.s, rec.Handle, func(sealed []byte) []byte { return flip(sealed, len(sealed)-1) })
			e.absent(t, rec.Handle)
			missing(t, e.peer, rec.Handle)
		}},
		{"any byte", edit | server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			var whole []byte
			e.Edit(t, e.s, rec.Handle, func(sealed []byte) []byte { whole = bytes.Clone(sealed); return sealed })
			e.holds(t, rec.Handle, rec)
			for i := 0; i < len(whole); i += 1 + len(whole)/40 {
				e.Edit(t, e.s, rec.Handle, func([]byte) []byte { return flip(whole, i) })
				if got, err := e.s.Get(t.Context(), rec.Handle); err == nil || got != nil {
					t.Errorf("byte %d of %d changed: record %v, error %v", i, len(whole), got != nil, err)
				}
			}
		}},
		{"truncated", edit | server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			var whole []byte
			e.Edit(t, e.s, rec.Handle, func(sealed []byte) []byte { whole = bytes.Clone(sealed); return sealed })
			for _, n := range []int{len(whole) - 1, len(whole) / 2, 16, 1, 0} {
				e.Edit(t, e.s, rec.Handle, func([]byte) []byte { return whole[:n] })
				if got, err := e.s.Get(t.Context(), rec.Handle); err == nil || got != nil {
					t.Errorf("truncated to %d of %d bytes: record %v, error %v", n, len(whole), got != nil, err)
				}
			}
		}},
		{"another handle's record", edit | server, func(t *testing.T, e *env) {
			mine, theirs := e.create(t, sample()), e.create(t, sample())
			var sealed []byte
			e.Edit(t, e.s, theirs.Handle, func(b []byte) []byte { sealed = bytes.Clone(b); return b })
			e.Edit(t, e.s, mine.Handle, func([]byte) []byte { return sealed })
			e.absent(t, mine.Handle)
			e.holds(t, theirs.Handle, theirs)
		}},
		{"any byte of the handle", stateless, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			text := rec.Handle.Reveal()
			for i := 0; i < len(text); i += 1 + len(text)/200 {
				changed := []byte(text)
				if changed[i]++; changed[i] > 'z' {
					changed[i] = '0'
				}
				if got, err := e.s.Get(t.Context(), store.Credential(rec.Handle.Purpose(), string(changed))); err == nil || got != nil {
					t.Errorf("byte %d of %d changed: record %v, error %v", i, len(text), got != nil, err)
				}
			}
			e.absent(t, store.Credential(rec.Handle.Purpose(), text[:len(text)-4]+"AAAA"))
			e.absent(t, store.Credential(rec.Handle.Purpose(), text+text))
		}},
	}
}

// unreachable: G5.
func unreachable() []testcase {
	return []testcase{
		{"get", breaks, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.Break(t, e.s)
			got, err := e.s.Get(t.Context(), rec.Handle)
			fails(t, "Get", err, "other")
			if got != nil {
				t.Error("Get: a record beside an error")
			}
			_, err = e.s.Get(t.Context(), store.NewCredential("session"))
			fails(t, "Get of what is not there", err, "other")
		}},
		{"put and delete", breaks, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.Break(t, e.s)
			_, err := e.s.Put(t.Context(), e.fresh(), sample())
			fails(t, "Put that creates", err, "other")
			_, err = e.s.Put(t.Context(), rec.Handle, rec)
			fails(t, "Put that replaces", err, "other")
			fails(t, "Delete", e.s.Delete(t.Context(), rec.Handle, rec.Version), "other")
		}},
		{"list", breaks | lister | server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.Break(t, e.s)
			_, _, err := e.s.(store.Lister).List(t.Context(), rec.Subject, "", 10)
			fails(t, "List", err, "other")
		}},
		{"sweep", breaks | sweeper | server, func(t *testing.T, e *env) {
			e.end(t, e.create(t, sample()))
			e.Break(t, e.s)
			n, err := sweepAll(t, e)
			fails(t, "Sweep", err, "other")
			if n != 0 {
				t.Errorf("Sweep: %d removed", n)
			}
		}},
	}
}
