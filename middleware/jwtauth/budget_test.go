package jwtauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// The budget of a request whose token was seen before: two allocations of the guard's, and the record.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for alg, s := range signers(t) {
		v := newVerifier(t, rules(s), nil)
		guard, err := middleware.New(v, middleware.Self, nil)
		if err != nil {
			t.Fatal(err)
		}
		served := 0
		h := guard.Require("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		r, w := request(mint(t, s, nil)), discard{http.Header{}}
		if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n > 3 {
			t.Errorf("%s: %v allocations, at most 3", alg, n)
		}
		if served != 1001 {
			t.Errorf("%s: %d of 1001 requests were served", alg, served)
		}
	}
}

// What is refused before it is hashed costs nothing. Allocations are counted for the whole process: no parallel test.
func TestRubbishIsCheap(t *testing.T) {
	v := newVerifier(t, rules(newSigner(t, "a")), nil)
	for name, token := range map[string]string{
		"64 KiB of dots": strings.Repeat(".", 64<<10), "64 KiB": strings.Repeat("a.a.a", 64<<10/5), "8 KiB of dots": strings.Repeat(".", 8<<10), "8 KiB": strings.Repeat("a", 8<<10),
	} {
		best := time.Hour
		n := testing.AllocsPerRun(20, func() {
			start := time.Now()
			if _, err := v.Verify(t.Context(), token); !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		})
		if n != 0 || best > time.Millisecond {
			t.Errorf("%s: %v allocations, %s", name, n, best)
		}
	}
}
