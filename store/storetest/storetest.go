package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Harness tells [Run] how to make stores and what it may do to them. Open is required; the other functions widen what
// is tested and may be nil. Each gets the test of one case: clean up with t.Cleanup, fail with t.Fatal.
type Harness struct {
	// Open returns a fresh, empty store. It is called some two hundred times, for one case at a time; a database may be
	// shared by all of them if its records are removed here.
	Open func(t *testing.T) store.TokenStore

	// Peer returns a second client over the data of s, as another process would hold: its own connections, its own
	// caches and, where it can be arranged, a process clock that is an hour off.
	Peer func(t *testing.T, s store.TokenStore) store.TokenStore

	// Advance puts the clock by which s and its peers judge expiry forward by d. Without it a few cases wait for real
	// expiries, half a second in all, and nothing that takes days is tested.
	Advance func(t *testing.T, s store.TokenStore, d time.Duration)

	// Raw returns everything that s keeps at rest (the database file and its journal, all keys and values of a server),
	// to be searched for plain text. Leave it nil for a store that keeps its records in this process's memory.
	Raw func(t *testing.T, s store.TokenStore) []byte

	// Edit replaces what is at rest as the sealed record behind h (found by h.Sum) with edit's result, behind the back
	// of s, to see what it makes of tampered and of swapped records.
	Edit func(t *testing.T, s store.TokenStore, h store.Handle, edit func(sealed []byte) []byte)

	// Break makes the engine behind s unreachable (connection closed, server gone) until the case ends.
	Break func(t *testing.T, s store.TokenStore)

	// Stateless runs the clauses marked (S) only: the store's handle is the sealed record itself.
	Stateless bool
}

// Run proves that a store keeps the contract, clause by clause, and returns when all is tested. It never skips: what
// could not be tested is logged. Run it with the race detector as well: it sees what is shared where the suite can only
// see what went wrong.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("storetest: Harness.Open is nil")
	}
	able := h.powers(t)
	missed := map[need][]string{}
	for _, c := range clauses() {
		if h.Stateless && !c.stateless {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			for _, k := range c.cases {
				if lack := k.needs &^ able; lack != 0 {
					missed[lack] = append(missed[lack], c.name+"/"+k.name)
					continue
				}
				t.Run(k.name, func(t *testing.T) { k.run(t, newEnv(t, h)) })
			}
		})
	}
	for lack := range viewer { // a store without this last power is like most
		if len(missed[lack]) > 0 && lack&(server|stateless) == 0 {
			t.Logf("storetest: not tested without %s: %s", lack, strings.Join(missed[lack], ", "))
		}
	}
	if h.Peer == nil && !h.Stateless {
		t.Log("storetest: without Harness.Peer the store was its own peer: nothing was tested across processes")
	}
}

// powers tells what the cases may count on.
func (h Harness) powers(t *testing.T) need {
	able := server
	if h.Stateless {
		able = stateless
	}
	for n, given := range map[need]bool{
		advance: h.Advance != nil, raw: h.Raw != nil, edit: h.Edit != nil, breaks: h.Break != nil,
	} {
		if given {
			able |= n
		}
	}
	t.Run("powers", func(t *testing.T) {
		s := h.Open(t)
		if _, is := s.(store.Stateless); is != h.Stateless {
			t.Errorf("the store is a store.Stateless: %v, but Harness.Stateless is %v", is, h.Stateless)
		}
		if _, is := s.(store.Lister); is {
			able |= lister
		} else {
			t.Log("storetest: the store is no store.Lister: by-subject powers are absent")
		}
		if _, is := s.(store.Sweeper); is {
			able |= sweeper
		} else {
			t.Log("storetest: the store is no store.Sweeper: cleaning up is absent")
		}
		if _, is := s.(store.Viewer); is {
			able |= viewer
		}
	})
	return able
}
