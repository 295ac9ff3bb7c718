package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// watch stands between the load and the demo's front, and notes what came of each request: whose it was, how long it took,
// and whether its token was valid all the while. It knows that from what earlier answers have shown.
type watch struct {
	front    string
	sessions []*session
	by       map[string]int // credential to session
	out      *http.Transport
	measured atomic.Bool // latencies count

	valid, waiting histogram
	logins         atomic.Int64 // 401
	unavailable    atomic.Int64 // not answered, token expired or expiring
	broken         atomic.Int64 // not answered, token valid
	mixedUp        atomic.Int64 // another user's page
}

// session is one user's: what the client sends, and which tokens the demo has shown for it.
type session struct {
	credential string
	user       string // as it is in the page

	mu    sync.Mutex
	until time.Time // the last expiry that was shown: so long, its token is valid
	shown []string  // digests, each once, in the order of their coming
}

func newWatch(front string, sessions []*session) *watch {
	f := &watch{front: front, sessions: sessions, by: map[string]int{}, out: &http.Transport{MaxIdleConnsPerHost: 256}}
	for i, s := range sessions {
		f.by[s.credential] = i
	}
	return f
}

// note takes up what an answer shows: whose token it is under, and how long that one is valid.
func (s *session) note(h http.Header) {
	expiry, err := time.Parse(time.RFC3339Nano, h.Get("X-Demo-Expiry"))
	token := h.Get("X-Demo-Token")
	if err != nil || token == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if expiry.After(s.until) {
		s.until = expiry
	}
	for _, known := range s.shown {
		if known == token {
			return
		}
	}
	s.shown = append(s.shown, token)
}

// validUntil is the last expiry that an answer has shown by now.
func (s *session) validUntil() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until
}

// tokens are the digests that were shown.
func (s *session) tokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.shown...)
}

// answer is what the front said; status 0: nothing, or not all of it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP forwards the request and notes what came of it.
func (f *watch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i, ok := f.by[r.Header.Get("Authorization")]
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a := f.visit(r.Context(), i, r.URL.Path)
	if a.status == 0 {
		a.status = http.StatusBadGateway
	}
	w.WriteHeader(a.status)
	w.Write(a.body) // wrk has left
}

// visit asks for a page of session i, and notes the answer.
func (f *watch) visit(ctx context.Context, i int, path string) answer {
	s := f.sessions[i]
	until := s.validUntil()
	began := time.Now()
	a := f.ask(ctx, s.credential, path)
	ended := time.Now()
	if ctx.Err() == nil { // else the caller has hung up, as wrk does at its end
		f.judge(s, a, ended.Sub(began), ended.Before(until))
	}
	return a
}

func (f *watch) judge(s *session, a answer, took time.Duration, valid bool) {
	switch {
	case a.status == http.StatusUnauthorized:
		f.logins.Add(1)
	case a.status != http.StatusOK && valid:
		f.broken.Add(1)
	case a.status != http.StatusOK:
		f.unavailable.Add(1)
	case !bytes.Contains(a.body, []byte(s.user)):
		f.mixedUp.Add(1)
	default:
		s.note(a.header)
		if !f.measured.Load() {
			return
		}
		if valid {
			f.valid.add(took)
		} else {
			f.waiting.add(took)
		}
	}
}

func (f *watch) ask(ctx context.Context, credential, path string) answer {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.front+path, nil)
	if err != nil {
		return answer{}
	}
	r.Header.Set("Authorization", credential)
	return send(f.out, r)
}

func send(out http.RoundTripper, r *http.Request) answer {
	resp, err := out.RoundTrip(r)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}
	}
	return answer{resp.StatusCode, resp.Header, body}
}

// post sends a form.
func post(ctx context.Context, out http.RoundTripper, to, form string) answer {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form))
	if err != nil {
		return answer{}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(out, r)
}
