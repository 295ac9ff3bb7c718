package jwtauth_test

import (
	"fmt"
	"net/http"
	"sort"
	"testing"
	"time"
)

// byTurns times handlers in alternation and returns the best time of each for one request: what other processes do to
// the machine meanwhile hits all of them alike.
func byTurns(handlers map[string]http.Handler, r *http.Request, rounds, n int) map[string]time.Duration {
	best := map[string]time.Duration{}
	w := discard{http.Header{}}
	for range rounds {
		for name, h := range handlers {
			start := time.Now()
			for range n {
				h.ServeHTTP(w, r)
			}
			if took := time.Since(start) / time.Duration(n); best[name] == 0 || took < best[name] {
				best[name] = took
			}
		}
	}
	return best
}

func report(b *testing.B, title string, best map[string]time.Duration) {
	var names []string
	for name := range best {
		names = append(names, name)
	}
	sort.Strings(names)
	line := title
	for _, name := range names {
		line += fmt.Sprintf("  %s %s (%.2f)", name, best[name], float64(best[name])/float64(best["floor"]))
	}
	b.Log(line)
}
