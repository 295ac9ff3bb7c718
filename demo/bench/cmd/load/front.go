package main

import (
	"errors"
	"math/bits"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"time"
)

// front is the load balancer: round robin, a request without a body goes to the next replica when one is gone. It also
// keeps the record that judge reads: it knows whose request it is, and whether its token was valid all the while.
type front struct {
	world   *world
	proxy   *httputil.ReverseProxy
	session map[string]int // by credential
	turn    atomic.Uint64

	valid, waiting histogram
	logins         atomic.Int64 // 401
	unavailable    atomic.Int64 // 5xx, token expired or expiring
	broken         atomic.Int64 // 5xx, token valid
	mixedUp        atomic.Int64
	retried        atomic.Int64
}

func newFront(w *world) *front {
	f := &front{world: w, session: map[string]int{}}
	for i, s := range w.sessions {
		f.session[s.credential] = i
	}
	f.proxy = &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "replica" },
		Transport:    &balancer{front: f, next: &http.Transport{MaxIdleConnsPerHost: 256, MaxIdleConns: 1024}},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return f
}

// ServeHTTP forwards the request and notes what came of it.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	credential := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	i, ok := f.session[credential]
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	began := time.Now()
	noted := &noting{ResponseWriter: w}
	f.proxy.ServeHTTP(noted, r)
	ended := time.Now()
	took, valid := ended.Sub(began), f.wasValid(i, began, ended)
	switch {
	case r.Context().Err() != nil: // the caller has hung up, as wrk does at its end
	case noted.status == http.StatusUnauthorized:
		f.logins.Add(1)
	case noted.status >= 500 && valid:
		f.broken.Add(1)
	case noted.status >= 500:
		f.unavailable.Add(1)
	case w.Header().Get("Subject") != user(i):
		f.mixedUp.Add(1)
	case valid:
		f.valid.add(took)
	default:
		f.waiting.add(took)
	}
}

// wasValid: the first token had not expired yet when the request was over, or its successor was there for a second when it
// came.
func (f *front) wasValid(i int, began, ended time.Time) bool {
	if ended.Before(f.world.sessions[i].expires) {
		return true
	}
	rotated := f.world.provider.rotatedAt(i)
	return !rotated.IsZero() && began.After(rotated.Add(time.Second))
}

type noting struct {
	http.ResponseWriter
	status int
}

func (n *noting) WriteHeader(code int) {
	n.status = code
	n.ResponseWriter.WriteHeader(code)
}

func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

type balancer struct {
	front *front
	next  http.RoundTripper
}

// RoundTrip tries each replica once, from the next in turn on.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	first := int(b.front.turn.Add(1))
	err := errors.New("no replica")
	for try := range 2 * b.front.world.plan.replicas {
		up := b.front.world.fleet.addresses()
		if len(up) == 0 {
			continue
		}
		r.URL.Host = up[(first+try)%len(up)]
		var resp *http.Response
		if resp, err = b.next.RoundTrip(r); err == nil {
			return resp, nil
		}
		if r.Context().Err() != nil {
			return nil, err
		}
		b.front.retried.Add(1)
	}
	return nil, err
}

// histogram counts durations in steps of 1/32 of a power of two.
type histogram struct{ buckets [64 * 32]atomic.Int64 }

func (h *histogram) add(d time.Duration) {
	v := uint64(max(d, 32))
	exp := bits.Len64(v) - 6
	h.buckets[exp*32+int(v>>exp)-32+32].Add(1)
}

func (h *histogram) count() (n int64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// at is the upper end of the step in which that share of the durations lies.
func (h *histogram) at(share float64) time.Duration {
	left := int64(share * float64(h.count()))
	for i := range h.buckets {
		if left -= h.buckets[i].Load(); left < 0 {
			exp, step := (i-32)/32, (i-32)%32
			return time.Duration(uint64(step+33) << exp)
		}
	}
	return 0
}
