package jwtauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
	"github.com/tokenkeep/tokenkeep/store"
)

// The budget of a request whose token was seen before: two allocations of the guard's, none where the handler takes the
// user as an argument.
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
		argument := guard.Handler(func(http.ResponseWriter, *http.Request, *store.Record) {}, "read")
		r, w := request(mint(t, s, nil)), discard{http.Header{}}
		if n := testing.AllocsPerRun(1000, func() { argument.ServeHTTP(w, r) }); n > 0 {
			t.Errorf("%s, as an argument: %v allocations", alg, n)
		}
		if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n > 2 {
			t.Errorf("%s: %v allocations, at most 2", alg, n)
		}
		if served != 1001 {
			t.Errorf("%s: %d of 1001 requests were served", alg, served)
		}
	}
}

// The memory is bounded in bytes too: the worst tokens, all different, take no more than is said.
func TestHeap(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps memory of its own")
	}
	s := newSigner(t, "a")
	const most = 200
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, size := range []int{200, 1750} { // of which the signed text is kept, and is not
		v := newVerifier(t, rules(s), &jwtauth.Options{MaxTokens: most})
		worst := map[string]any{"x": strings.Repeat("x", size)}
		for i := range 100 {
			worst[fmt.Sprint("m", i)] = 1
		}
		longest := 0
		fill := func(n int) {
			for i := range n {
				worst["sub"] = fmt.Sprint("user ", i)
				token := mint(t, s, worst)
				longest = max(longest, len(token))
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Fatal(err)
				}
			}
		}
		fill(1)
		before := heap()
		fill(3 * most)
		grown := (int64(heap()) - int64(before)) / most
		if t.Logf("%d bytes for a token of %d", grown, longest); grown > 8<<10 || longest > 4<<10 {
			t.Error("too many")
		}
		runtime.KeepAlive(v)
	}
}

// What is refused before it is hashed costs nothing. Allocations are counted for the whole process: no parallel test.
func TestRubbishIsCheap(t *testing.T) {
	v := newVerifier(t, rules(newSigner(t, "a")), nil)
	for name, token := range map[string]string{
		"64 KiB of dots": strings.Repeat(".", 64<<10), "64 KiB": strings.Repeat("a.a.a", 64<<10/5), "8 KiB of dots": strings.Repeat(".", 8<<10), "8 KiB": strings.Repeat("a", 8<<10),
		"64 KiB in three parts": "a.b." + strings.Repeat("a", 64<<10),
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
