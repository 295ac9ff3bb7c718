package storetest

import (
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
)

// remove: D1.
func remove() []testcase {
	return []testcase{
		{"at its version", server, func(t *testing.T, e *env) {
			rec, other := e.create(t, sample()), e.create(t, sample())
			e.delete(t, rec.Handle, rec.Version)
			e.absent(t, rec.Handle)
			missing(t, e.peer, rec.Handle)
			e.holds(t, other.Handle, other)
		}},
		{"whatever is there", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			rec = e.put(t, rec.Handle, rec)
			e.delete(t, rec.Handle, "")
			e.absent(t, rec.Handle)
			missing(t, e.peer, rec.Handle)
		}},
		{"ended", server, func(t *testing.T, e *env) {
			for _, exact := range []bool{true, false} {
				rec := e.end(t, e.create(t, sample()))
				if exact {
					e.delete(t, rec.Handle, rec.Version)
				} else {
					e.delete(t, rec.Handle, "")
				}
				e.absent(t, rec.Handle)
			}
		}},
		{"expired", server, func(t *testing.T, e *env) {
			rec := e.create(t, e.dead(t))
			e.delete(t, rec.Handle, rec.Version)
			_, err := e.s.Put(t.Context(), rec.Handle, rec)
			fails(t, "Put at the removed version", err, "ErrNotFound")
		}},
		{"one of several deleters at once", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			for _, err := range race(e, 20, func(_ int, s store.TokenStore) error {
				return s.Delete(t.Context(), rec.Handle, rec.Version)
			}) {
				fails(t, "Delete", err, "nil")
			}
			e.absent(t, rec.Handle)
		}},
	}
}

// removeNothing: D2.
func removeNothing() []testcase {
	return []testcase{
		{"absent", server, func(t *testing.T, e *env) {
			h := e.fresh()
			e.delete(t, h, "")
			e.delete(t, h, "1")
			e.delete(t, store.NewCredential("session"), "")
			e.absent(t, h)
		}},
		{"twice", 0, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.delete(t, rec.Handle, rec.Version)
			e.delete(t, rec.Handle, rec.Version)
			e.delete(t, rec.Handle, "")
		}},
		{"unknown text", stateless, func(t *testing.T, e *env) {
			e.delete(t, store.NewCredential("session"), "")
			e.delete(t, store.Credential("session", "rubbish"), "1")
		}},
		{"changed", server, func(t *testing.T, e *env) {
			old := e.create(t, sample())
			next := written(t, e.peer, old.Handle, old)
			e.delete(t, old.Handle, old.Version)
			e.holds(t, old.Handle, next)
		}},
		{"created again", server, func(t *testing.T, e *env) {
			rec := sample()
			old := e.create(t, rec)
			e.delete(t, old.Handle, "")
			next := e.put(t, old.Handle, rec)
			e.delete(t, old.Handle, old.Version)
			e.holds(t, old.Handle, next)
		}},
		{"a version that never was", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			for _, v := range strangers(rec.Version) {
				e.delete(t, rec.Handle, v)
			}
			e.holds(t, rec.Handle, rec)
		}},
		{"changed, then ended", server, func(t *testing.T, e *env) {
			old := e.create(t, sample())
			next := e.end(t, old)
			e.delete(t, old.Handle, old.Version)
			e.holds(t, old.Handle, next)
		}},
	}
}
