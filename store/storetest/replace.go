package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// replace: R1.
func replace() []testcase {
	return []testcase{
		{"at its version", server, func(t *testing.T, e *env) {
			old := e.create(t, sample())
			rec := sample()
			rec.Version = old.Version
			next := e.put(t, old.Handle, rec)
			if next.ID != rec.ID || next.Version == old.Version {
				t.Errorf("Put: ID %q at version %q, want %q at a new one", next.ID, next.Version, rec.ID)
			}
			e.holds(t, old.Handle, next)
		}},
		{"nothing of the old remains", server, func(t *testing.T, e *env) {
			old := e.create(t, sample())
			next := e.put(t, old.Handle, &store.Record{ID: "next", Version: old.Version})
			same(t, &store.Record{ID: "next"}, next)
			e.holdsAll(t, old.Handle, &store.Record{ID: "next"})
		}},
		{"at an older version", server, func(t *testing.T, e *env) {
			old := e.create(t, sample())
			next := e.put(t, old.Handle, old)
			old.Generation++
			conflicts(t, e, old.Handle, old)
			e.holds(t, old.Handle, next)
			next = e.put(t, next.Handle, next)
			conflicts(t, e, old.Handle, old)
			e.holds(t, old.Handle, next)
		}},
		{"at a version that never was", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			for _, v := range strangers(rec.Version) {
				other := sample()
				other.Version = v
				conflicts(t, e, rec.Handle, other)
			}
			e.holds(t, rec.Handle, rec)
		}},
		{"at another record's version", server, func(t *testing.T, e *env) {
			a, b := e.create(t, sample()), e.create(t, sample())
			other := sample()
			other.Version = a.Version
			conflicts(t, e, b.Handle, other)
			e.holds(t, b.Handle, b)
		}},
		{"after the peer wrote", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			next := written(t, e.peer, rec.Handle, rec)
			conflicts(t, e, rec.Handle, rec)
			e.holds(t, rec.Handle, next)
			e.put(t, rec.Handle, next)
			_, err := e.peer.Put(t.Context(), rec.Handle, next)
			fails(t, "the peer's Put at an older version", err, "ErrConflict")
		}},
		{"ended", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			ended := e.end(t, rec)
			conflicts(t, e, rec.Handle, rec)
			ended.Updated = ended.Updated.Add(time.Second)
			ended = e.put(t, rec.Handle, ended)
			e.holds(t, rec.Handle, ended)
			ended.Ended = time.Time{}
			e.holds(t, rec.Handle, e.put(t, rec.Handle, ended))
		}},
		{"expired", server, func(t *testing.T, e *env) {
			rec := e.create(t, e.dead(t))
			rec.Expires = time.Time{}
			next, err := e.s.Put(t.Context(), rec.Handle, rec)
			if kind(err) == "ErrNotFound" { // the engine dropped it
				e.absent(t, rec.Handle)
				return
			}
			fails(t, "Put at an expired record's version", err, "nil")
			if err == nil {
				e.holds(t, rec.Handle, next)
			}
		}},
	}
}

// strangers returns versions that resemble v and are not.
func strangers(v store.Version) []store.Version {
	all := []store.Version{"0", "1", "x", v + "0", v + " ", v + "\x00", " " + v, store.Version(swapCase(string(v))), v[:len(v)/2]}
	return slices.DeleteFunc(all, func(s store.Version) bool { return s == v || s == "" })
}

func conflicts(t *testing.T, e *env, h store.Handle, rec *store.Record) {
	t.Helper()
	_, err := e.s.Put(t.Context(), h, rec)
	fails(t, fmt.Sprintf("Put at version %q, which is not the stored one", rec.Version), err, "ErrConflict")
}

// neverInsert: R2.
func neverInsert() []testcase {
	return []testcase{
		{"never there", server, func(t *testing.T, e *env) {
			rec, h := sample(), e.fresh()
			for _, v := range []store.Version{"1", e.create(t, sample()).Version} {
				rec.Version = v
				_, err := e.s.Put(t.Context(), h, rec)
				fails(t, "Put with a version where nothing is", err, "ErrNotFound")
			}
			e.absent(t, h)
		}},
		{"deleted", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			e.delete(t, rec.Handle, rec.Version)
			_, err := e.s.Put(t.Context(), rec.Handle, rec)
			fails(t, "Put at a deleted record's version", err, "ErrNotFound")
			e.absent(t, rec.Handle)
		}},
		{"deleted by the peer", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			read(t, e.peer, rec.Handle)
			if err := e.peer.Delete(t.Context(), rec.Handle, ""); err != nil {
				t.Fatal(err)
			}
			_, err := e.s.Put(t.Context(), rec.Handle, rec)
			fails(t, "Put at a deleted record's version", err, "ErrNotFound")
			e.absent(t, rec.Handle)
		}},
		{"against concurrent deletes", server, func(t *testing.T, e *env) {
			for range 10 {
				rec := e.create(t, sample())
				puts := race(e, 8, func(i int, s store.TokenStore) answer {
					if i < 4 {
						return answer{nil, s.Delete(t.Context(), rec.Handle, "")}
					}
					return putAnswer(t.Context(), s, rec.Handle, rec)
				})
				for _, p := range puts {
					if k := kind(p.err); k != "nil" && k != "ErrNotFound" && k != "ErrConflict" {
						t.Errorf("Put or Delete: %v", p.err)
					}
				}
				e.absent(t, rec.Handle) // every Put came before the last Delete, or found nothing to replace
			}
		}},
	}
}

// concurrentReplace: R3.
func concurrentReplace() []testcase {
	return []testcase{
		{"one winner", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			rounds(3, func() {
				recs := samples(racers, rec.Version)
				rec = won(t, race(e, racers, func(i int, s store.TokenStore) answer {
					return putAnswer(t.Context(), s, rec.Handle, recs[i])
				}), "ErrConflict")
				e.holds(t, rec.Handle, rec)
			})
		}},
		{"one winner of equal contents", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			rec = won(t, race(e, racers, func(_ int, s store.TokenStore) answer {
				return putAnswer(t.Context(), s, rec.Handle, rec)
			}), "ErrConflict")
			e.holds(t, rec.Handle, rec)
		}},
		{"one winner over ended", server, func(t *testing.T, e *env) {
			rec := e.end(t, e.create(t, sample()))
			rec = won(t, race(e, racers, func(_ int, s store.TokenStore) answer {
				return putAnswer(t.Context(), s, rec.Handle, rec)
			}), "ErrConflict")
			e.holds(t, rec.Handle, rec)
		}},
		{"no update is lost", server, func(t *testing.T, e *env) {
			first := sample()
			first.Generation = 0
			h := e.create(t, first).Handle
			const workers, each = 4, 5
			for _, err := range race(e, workers, func(_ int, s store.TokenStore) error { return count(t, s, h, each) }) {
				if err != nil {
					t.Error(err)
				}
			}
			if got := e.get(t, h).Generation; got != workers*each {
				t.Errorf("%d updates were acknowledged, %d are stored", workers*each, got)
			}
		}},
	}
}

// count adds n to the generation behind h, one compare-and-set after the other. Every conflict is somebody else's
// success, so there is an end to them.
func count(t *testing.T, s store.TokenStore, h store.Handle, n int) error {
	var conflicts int
	for n > 0 {
		rec, err := s.Get(t.Context(), h)
		if err != nil {
			return fmt.Errorf("Get: %w", err)
		}
		rec.Generation++
		_, err = s.Put(t.Context(), h, rec)
		switch {
		case err == nil:
			n--
		case kind(err) != "ErrConflict":
			return fmt.Errorf("Put: %w", err)
		default:
			if conflicts++; conflicts > 1000 {
				return fmt.Errorf("Put of what was just read, again and again: %w", err)
			}
		}
	}
	return nil
}

// versions: R4.
func versions() []testcase {
	return []testcase{
		{"equal contents", server, func(t *testing.T, e *env) {
			seen := map[store.Version]bool{}
			rec := e.create(t, sample())
			first := rec.Clone()
			for range 10 {
				novel(t, seen, rec.Version)
				rec = e.put(t, rec.Handle, rec)
			}
			conflicts(t, e, rec.Handle, first)
			e.holds(t, rec.Handle, rec)
		}},
		{"as read", server, func(t *testing.T, e *env) {
			rec := e.create(t, sample())
			if got := read(t, e.peer, rec.Handle).Version; got != rec.Version {
				t.Errorf("the peer reads version %q, Put said %q", got, rec.Version)
			}
		}},
		{"delete and create", server, func(t *testing.T, e *env) {
			seen := map[store.Version]bool{}
			h := e.fresh()
			for i := range 10 {
				s := e.s
				if i%2 == 1 {
					s = e.peer
				}
				rec := written(t, s, h, sample())
				novel(t, seen, rec.Version)
				rec = written(t, s, h, rec)
				novel(t, seen, rec.Version)
				e.delete(t, h, rec.Version)
			}
		}},
		{"late put after delete and create", server, func(t *testing.T, e *env) {
			first := sample()
			old := e.create(t, first)
			late := e.put(t, old.Handle, old)
			e.delete(t, old.Handle, late.Version)
			next := e.put(t, old.Handle, first)
			conflicts(t, e, old.Handle, late)
			conflicts(t, e, old.Handle, old)
			e.holds(t, old.Handle, next)
			next = e.put(t, old.Handle, next)
			conflicts(t, e, old.Handle, late)
			e.holds(t, old.Handle, next)
		}},
		{"create over dead", server, func(t *testing.T, e *env) {
			seen := map[store.Version]bool{}
			dead := e.dead(t)
			h := e.fresh()
			for range 5 {
				novel(t, seen, e.put(t, h, dead).Version)
			}
		}},
		{"across concurrent writers", server, func(t *testing.T, e *env) {
			h := e.fresh()
			seen := map[store.Version]bool{}
			for _, versions := range race(e, 8, func(_ int, s store.TokenStore) (vs []store.Version) {
				for range 5 {
					if rec, err := s.Put(t.Context(), h, sample()); err == nil {
						vs = append(vs, rec.Version)
						s.Delete(t.Context(), h, rec.Version)
					}
				}
				return vs
			}) {
				for _, v := range versions {
					novel(t, seen, v)
				}
			}
		}},
	}
}

func novel(t *testing.T, seen map[store.Version]bool, v store.Version) {
	t.Helper()
	if v == "" {
		t.Error("a version is empty")
	}
	if seen[v] {
		t.Errorf("version %q was used before", v)
	}
	seen[v] = true
}
