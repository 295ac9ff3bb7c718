package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// listed returns what s lists of subject, in pages of n, between which meanwhile is called if it is not nil.
func listed(t *testing.T, s store.TokenStore, subject string, n int, meanwhile func(page []*store.Record)) []*store.Record {
	t.Helper()
	var all []*store.Record
	var cursor string
	for range 200 {
		page, next, err := s.(store.Lister).List(t.Context(), subject, cursor, n)
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		if len(page) > n {
			t.Errorf("List: a page of %d records, %d were asked for", len(page), n)
		}
		if slices.Contains(page, nil) {
			t.Fatal("List: a record is nil")
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		if meanwhile != nil {
			meanwhile(page)
		}
		cursor = next
	}
	t.Fatal("List: the cursor is not empty after 200 pages")
	return nil
}

// lists checks that exactly want is listed of subject, whatever the order.
func lists(t *testing.T, s store.TokenStore, subject string, n int, want ...*store.Record) {
	t.Helper()
	once(t, listed(t, s, subject, n, nil), want...)
}

// once checks that every record of want is in got once, and no other.
func once(t *testing.T, got []*store.Record, want ...*store.Record) {
	t.Helper()
	times := map[string]int{}
	for _, rec := range got {
		times[rec.ID]++
	}
	for _, rec := range want {
		if times[rec.ID] != 1 {
			t.Errorf("List: a record is listed %d times, want once", times[rec.ID])
		}
		delete(times, rec.ID)
	}
	if len(times) > 0 {
		t.Errorf("List: %d records beside those that should be listed", len(times))
	}
}

func (e *env) ofSubject(t *testing.T, subject string) *store.Record {
	t.Helper()
	rec := sample()
	rec.Subject = subject
	return e.create(t, rec)
}

// list: L1.
func list() []testcase {
	cases := []testcase{
		{"of this subject only", lister, func(t *testing.T, e *env) {
			long := strings.Repeat("s", 511)
			var all []*store.Record
			for _, subject := range []string{
				"subject", "Subject", "subject ", " subject", "subject\x00", "subjec", "subject2", "subj%", "subject_", "s*",
				"subject\xff", "subject\xfe", "resume", "résumé", "\u00e9", "e\u0301", "1", "01", "1.0", "''", `\`, "{a}", "a:b",
				long + "a", long + "b",
			} {
				all = append(all, e.ofSubject(t, subject))
			}
			for _, rec := range all {
				lists(t, e.s, rec.Subject, 10, rec)
				lists(t, e.peer, rec.Subject, 10, rec)
			}
			lists(t, e.s, "%", 10)
			lists(t, e.s, "nobody", 10)
		}},
		{"up to n", lister, func(t *testing.T, e *env) {
			var all []*store.Record
			for range 7 {
				all = append(all, e.ofSubject(t, "subject"))
			}
			for _, n := range []int{1, 3, 6, 7, 8, 100} {
				lists(t, e.s, "subject", n, all...)
			}
		}},
		{"live only", lister, func(t *testing.T, e *env) {
			live := e.ofSubject(t, "subject")
			soon := sample()
			soon.Subject, soon.Expires = "subject", e.now(t).Add(time.Hour)
			soon = e.create(t, soon)
			e.end(t, e.ofSubject(t, "subject"))
			dead := e.dead(t)
			dead.Subject = "subject"
			dead = e.create(t, dead)
			e.end(t, dead)
			other := e.dead(t)
			other.Subject = "subject"
			e.create(t, other)
			lists(t, e.s, "subject", 2, live, soon)
			lists(t, e.s, "subject", 10, live, soon)
			if e.Advance != nil {
				e.Advance(t, e.s, 2*time.Hour)
				lists(t, e.s, "subject", 10, live)
			}
		}},
		{"with dead tokens", lister, func(t *testing.T, e *env) {
			rec := sample()
			rec.Subject, rec.Token.Expiry, rec.Token.RefreshExpiry = "subject", day(), day()
			lists(t, e.s, "subject", 10, e.create(t, rec))
		}},
		{"as stored", lister, func(t *testing.T, e *env) {
			rec := e.ofSubject(t, "subject")
			rec.Generation++
			rec = e.put(t, rec.Handle, rec)
			got := listed(t, e.s, "subject", 10, nil)
			if len(got) != 1 {
				t.Fatalf("List: %d records, want 1", len(got))
			}
			asStored(t, rec, got[0])
		}},
		{"handles that work", lister, func(t *testing.T, e *env) {
			rec := e.ofSubject(t, "subject")
			got := listed(t, e.s, "subject", 10, nil)
			if len(got) != 1 {
				t.Fatalf("List: %d records, want 1", len(got))
			}
			ended := e.end(t, got[0])
			e.holds(t, rec.Handle, ended)
			e.delete(t, got[0].Handle, ended.Version)
			e.absent(t, rec.Handle)
		}},
		{"the subject changed", lister, func(t *testing.T, e *env) {
			rec, other := e.ofSubject(t, "before"), e.ofSubject(t, "before")
			rec.Subject = "after"
			rec = e.put(t, rec.Handle, rec)
			lists(t, e.s, "before", 10, other)
			lists(t, e.s, "after", 10, rec)
		}},
		{"the subject changed over a dead record", lister, func(t *testing.T, e *env) {
			for _, old := range []*store.Record{e.end(t, e.ofSubject(t, "before")), e.create(t, e.dead(t))} {
				rec := sample()
				rec.Subject = "after " + rec.ID
				rec = e.put(t, old.Handle, rec)
				lists(t, e.s, old.Subject, 10)
				lists(t, e.s, rec.Subject, 10, rec)
			}
		}},
		{"deleted", lister, func(t *testing.T, e *env) {
			rec, gone := e.ofSubject(t, "subject"), e.ofSubject(t, "subject")
			e.delete(t, gone.Handle, "")
			lists(t, e.s, "subject", 10, rec)
			e.delete(t, rec.Handle, rec.Version)
			lists(t, e.s, "subject", 10)
			again := sample()
			again.Subject = "subject"
			lists(t, e.s, "subject", 10, e.put(t, rec.Handle, again))
		}},
		{"alive again", lister, func(t *testing.T, e *env) {
			rec := e.end(t, e.ofSubject(t, "subject"))
			rec.Ended = time.Time{}
			lists(t, e.s, "subject", 10, e.put(t, rec.Handle, rec))
		}},
	}
	return cases
}

// pages: L2.
func pages() []testcase {
	const stay = 12
	prepare := func(t *testing.T, e *env) (stays, goes []*store.Record) {
		t.Helper()
		for range stay {
			stays = append(stays, e.ofSubject(t, "subject"))
			goes = append(goes, e.ofSubject(t, "subject"))
		}
		return stays, goes
	}
	// steady checks that those who stay are listed once while meanwhile runs between the pages.
	steady := func(name string, meanwhile func(t *testing.T, e *env, page []*store.Record, stays, goes []*store.Record)) testcase {
		return testcase{name, lister, func(t *testing.T, e *env) {
			for _, n := range []int{1, 2, 5} {
				stays, goes := prepare(t, e)
				got := listed(t, e.s, "subject", n, func(page []*store.Record) { meanwhile(t, e, page, stays, goes) })
				times := map[string]int{}
				for _, rec := range got {
					times[rec.ID]++
				}
				for _, rec := range stays {
					if times[rec.ID] != 1 {
						t.Errorf("pages of %d: a record that stayed is listed %d times, want once", n, times[rec.ID])
					}
				}
				for _, rec := range listed(t, e.s, "subject", 100, nil) {
					e.delete(t, rec.Handle, "")
				}
			}
		}}
	}
	return []testcase{
		steady("while nothing happens", func(*testing.T, *env, []*store.Record, []*store.Record, []*store.Record) {}),
		steady("while others go", func(t *testing.T, e *env, _ []*store.Record, _, goes []*store.Record) {
			for i, rec := range goes {
				if i%3 == 0 {
					e.delete(t, rec.Handle, "")
				}
			}
		}),
		steady("while the listed ones go", func(t *testing.T, e *env, page, _, goes []*store.Record) {
			for _, rec := range page {
				if among([]*store.Record{rec}, goes) {
					e.delete(t, rec.Handle, rec.Version)
				}
			}
		}),
		steady("while others end", func(t *testing.T, e *env, page, _, goes []*store.Record) {
			for _, rec := range page {
				if among([]*store.Record{rec}, goes) {
					e.end(t, rec)
				}
			}
		}),
		steady("while others come", func(t *testing.T, e *env, page, stays, _ []*store.Record) {
			if among(page[:min(1, len(page))], stays) { // not for ever
				e.ofSubject(t, "subject")
			}
		}),
		steady("while they are replaced", func(t *testing.T, e *env, _, stays, _ []*store.Record) {
			for i, rec := range stays {
				if i%3 == 0 {
					cur := e.get(t, rec.Handle)
					cur.Updated = cur.Updated.Add(time.Second)
					e.put(t, rec.Handle, cur)
				}
			}
		}),
	}
}

// among reports whether all of recs are in all.
func among(recs, all []*store.Record) bool {
	return !slices.ContainsFunc(recs, func(rec *store.Record) bool { return !slices.Contains(ids(all), rec.ID) })
}

// listNothing: L3.
func listNothing() []testcase {
	return []testcase{
		{"empty subject", lister, func(t *testing.T, e *env) {
			e.ofSubject(t, "")
			e.ofSubject(t, "subject")
			lists(t, e.s, "", 10)
			lists(t, e.peer, "", 10)
		}},
		{"no longer a subject", lister, func(t *testing.T, e *env) {
			rec := e.ofSubject(t, "subject")
			rec.Subject = ""
			e.put(t, rec.Handle, rec)
			lists(t, e.s, "", 10)
			lists(t, e.s, "subject", 10)
		}},
	}
}
