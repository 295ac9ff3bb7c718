package middleware_test

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
)

// each64 calls fn from 64 goroutines, lookups times in all, each with a number of its own and a context that may be
// cancelled before or meanwhile. The environment's TOKENKEEP_LOOKUPS is how many times it may be at most; without it a
// twentieth of what was asked for, as the tests of a working day.
func each64(t *testing.T, lookups int, fn func(n int, ctx context.Context)) {
	t.Helper()
	switch most, err := strconv.Atoi(os.Getenv("TOKENKEEP_LOOKUPS")); {
	case err == nil:
		lookups = min(lookups, most)
	case raceEnabled:
		lookups /= 100
	default:
		lookups /= 20
	}
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for n := g; n < lookups; n += 64 {
				ctx, cancel := context.WithCancel(t.Context())
				switch n / 64 % 4 {
				case 0:
					cancel()
				case 1:
					go cancel()
				}
				fn(n, ctx)
				cancel()
			}
		})
	}
	wg.Wait()
}

func bearing(ctx context.Context, token string) *http.Request {
	return (&http.Request{Method: "GET", Header: http.Header{"Authorization": {"Bearer " + token}}}).WithContext(ctx)
}
