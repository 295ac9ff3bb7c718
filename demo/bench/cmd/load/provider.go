package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// provider is a token endpoint with everything on record. It rotates; a refresh token that was spent is answered with the
// same successor again, as providers with a grace do, since no client can otherwise survive a process that dies between
// the answer and its commit.
type provider struct {
	plan plan

	mu     sync.Mutex
	calls  []call
	grants map[string]*grant // by refresh token
}

// grant is what is known of one refresh token.
type grant struct {
	session int
	n       int // generation
	rotated time.Time
}

// call is one token request.
type call struct {
	refresh string
	replica string
	began   time.Time
	failed  string // "": answered with a token
}

func accessToken(i, n int) string  { return fmt.Sprintf("access-%d-%d", i, n) }
func refreshToken(i, n int) string { return fmt.Sprintf("refresh-%d-%d", i, n) }

func newProvider(p plan) *provider {
	pr := &provider{plan: p, grants: map[string]*grant{}}
	for i := range p.sessions {
		pr.grants[refreshToken(i, 0)] = &grant{session: i}
	}
	return pr
}

// ServeHTTP fails by half before it has done anything, and by half after: then the answer is lost.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	time.Sleep(p.plan.latency / 2)
	refresh, replica := r.FormValue("refresh_token"), r.Header.Get("Replica")
	answer, status := p.take(refresh, replica, began)
	time.Sleep(p.plan.latency / 2)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, answer)
}

// luck is between 0 and 1, and another one with each call: the same ones for the same seed.
func (p *provider) luck() float64 {
	b := binary.BigEndian.AppendUint64(nil, p.plan.seed)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(len(p.calls))))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

func (p *provider) take(refresh, replica string, began time.Time) (answer string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := call{refresh: refresh, replica: replica, began: began}
	defer func() { p.calls = append(p.calls, c) }()
	luck := p.luck()
	if luck < p.plan.errors/2 {
		c.failed = "unavailable, nothing done"
		return `{"error":"temporarily_unavailable"}`, http.StatusServiceUnavailable
	}
	g := p.grants[refresh]
	if g == nil {
		c.failed = "unknown refresh token"
		return `{"error":"invalid_grant"}`, http.StatusBadRequest
	}
	if g.rotated.IsZero() {
		g.rotated = time.Now()
		p.grants[refreshToken(g.session, g.n+1)] = &grant{session: g.session, n: g.n + 1}
	}
	if luck < p.plan.errors {
		c.failed = "answer lost"
		return `{"error":"server_error"}`, http.StatusInternalServerError
	}
	return fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":86400,"refresh_token":%q}`,
		accessToken(g.session, g.n+1), refreshToken(g.session, g.n+1)), http.StatusOK
}

// rotatedAt is when session i's first refresh token was spent; zero: not yet.
func (p *provider) rotatedAt(i int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grants[refreshToken(i, 0)].rotated
}
