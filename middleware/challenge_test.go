package middleware_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// The budget of a refusal: header values and challenge, and for a bad token why it is one. Allocations are counted for
// the whole process: no parallel test.
func TestRefusalAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	refuse := middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) { return nil, store.ErrNotFound })
	guard, err := middleware.New(refuse, middleware.Self, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := guard.Require()(done)
	for token, most := range map[string]float64{"": 1, "unknown": 3, "a b": 2, strings.Repeat("a", 9<<10): 2} {
		r, w := request("GET", "/", token), &recycled{header: http.Header{}}
		if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n > most || w.status < 400 {
			t.Errorf("%.20q: status %d, %v allocations, at most %v", token, w.status, n, most)
		}
	}
}

// recycled is a ResponseWriter that keeps a header's room from one answer to the next, as servers do not.
type recycled struct {
	header http.Header
	status int
}

func (w *recycled) Header() http.Header         { return w.header }
func (w *recycled) Write(b []byte) (int, error) { return len(b), nil }
func (w *recycled) WriteHeader(status int)      { w.status = status }
