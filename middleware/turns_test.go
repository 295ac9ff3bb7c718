package middleware_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// byTurns runs several ways of doing one thing in small batches, one after the other, and reports how they compare with
// the first: whatever else the machine does meets all, and none finds what another has just warmed up. Of the batches the
// fastest tenth counts.
func byTurns(b *testing.B, names []string, ways ...func(i int)) {
	b.Helper()
	const batch = 100
	took := make([][]float64, len(ways))
	n := 0
	for b.Loop() {
		for j, fn := range ways {
			began := time.Now()
			for i := range batch {
				fn(n + i + j*431)
			}
			took[j] = append(took[j], float64(time.Since(began).Nanoseconds())/batch)
		}
		n += batch
	}
	b.ReportMetric(0, "ns/op")
	var floor float64
	for j, name := range names {
		slices.Sort(took[j])
		ns := took[j][len(took[j])/10]
		b.ReportMetric(ns, "ns/"+name)
		if j == 0 {
			floor = ns
			continue
		}
		b.ReportMetric(ns/floor, "x-"+name)
	}
}

// floor does by hand exactly what is to be done, with nothing to spare and one error: SHA-256, a map with 256 locks, the
// clock, the user in the context.
type floor [256]struct {
	mu sync.RWMutex
	m  map[[32]byte]floorEntry
}

type floorEntry struct {
	user    string
	expires time.Time
}

type floorKey struct{}

func newFloor(credentials []string) *floor {
	f := &floor{}
	for i, c := range credentials {
		sum := sha256.Sum256([]byte(c))
		if f[sum[0]].m == nil {
			f[sum[0]].m = map[[32]byte]floorEntry{}
		}
		f[sum[0]].m[sum] = floorEntry{fmt.Sprint(i), time.Now().Add(time.Hour)}
	}
	return f
}

func (f *floor) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const scheme = "Bearer "
		lines := r.Header["Authorization"]
		if len(lines) != 1 || len(lines[0]) <= len(scheme) || lines[0][:len(scheme)] != scheme {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var room [64]byte
		sum := sha256.Sum256(append(room[:0], lines[0][len(scheme):]...))
		sh := &f[sum[0]]
		sh.mu.RLock()
		e, ok := sh.m[sum]
		sh.mu.RUnlock()
		if !ok || !time.Now().Before(e.expires) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), floorKey{}, e.user)))
	})
}

// BenchmarkSession is a request with a session that the memory store keeps, through guard and keeper, among 1,000 and 100,000.
func BenchmarkSession(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			guard, keep, credentials := kept(b, n)
			bearers, cookies := make([]*http.Request, n), make([]*http.Request, n)
			for i, c := range credentials {
				bearers[i] = request("GET", "/", c)
				cookies[i] = withCookie(request("GET", "/", ""), "__Host-session="+c)
			}
			nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			by := newFloor(credentials).require(nothing)
			h := guard.Require("read")(nothing)
			w := discard{http.Header{}}
			at := func(i int) int { return i * 7919 % n }
			byTurns(b, []string{"floor", "keeper", "bearer", "cookie"},
				func(i int) { by.ServeHTTP(w, bearers[at(i)]) },
				func(i int) { keep.Verify(b.Context(), credentials[at(i)]) },
				func(i int) { h.ServeHTTP(w, bearers[at(i)]) },
				func(i int) { h.ServeHTTP(w, cookies[at(i)]) },
			)
		})
	}
}

func BenchmarkRefusal(b *testing.B) {
	guard, _, _ := kept(b, 1)
	h := guard.Require()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, r := range map[string]*http.Request{
		"no token": httptest.NewRequest("GET", "/", nil), "unknown": request("GET", "/", "unknown"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}
