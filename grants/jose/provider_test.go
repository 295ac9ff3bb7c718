package jose_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// provider serves a JWK Set without a network, so that tests run in virtual time.
type provider struct {
	mu      sync.Mutex
	set     jose.KeySet
	body    string // instead of set
	status  int
	fail    error
	panics  bool
	deaf    bool // to the end of contexts
	latency time.Duration
	fetches atomic.Int64
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.fetches.Add(1)
	p.mu.Lock()
	set, body, status, fail, latency := p.set, p.body, p.status, p.fail, p.latency
	p.mu.Unlock()
	if p.panics {
		panic("transport")
	}
	select {
	case <-time.After(latency):
	case <-r.Context().Done():
		if !p.deaf {
			return nil, r.Context().Err()
		}
	}
	if body == "" {
		text, _ := json.Marshal(set)
		body = string(text)
	}
	if status == 0 {
		status = 200
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, fail
}

func (p *provider) change(f func(p *provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func edKey(id string) jose.Key {
	public, _, _ := ed25519.GenerateKey(nil)
	return jose.Key{ID: id, Public: public}
}

func serve(t *testing.T, ids ...string) (*provider, *jose.Remote) {
	t.Helper()
	p := &provider{latency: 100 * time.Millisecond}
	for _, id := range ids {
		p.set = append(p.set, edKey(id))
	}
	return p, remote(t, p, nil)
}

func remote(t *testing.T, p *provider, o *jose.RemoteOptions) *jose.Remote {
	t.Helper()
	if o == nil {
		o = &jose.RemoteOptions{}
	}
	o.HTTP = &http.Client{Transport: p}
	r, err := jose.NewRemote("https://issuer.example/jwks", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// has says which of "key", "none" and "error" the set answers for a kid.
func has(r *jose.Remote, kid string) string {
	keys, err := r.Keys(context.Background(), kid)
	switch {
	case err != nil:
		return "error"
	case slices.ContainsFunc(keys, func(k jose.Key) bool { return k.ID == kid }):
		return "key"
	}
	return "none"
}

func want(t *testing.T, r *jose.Remote, kid, want string) {
	t.Helper()
	if got := has(r, kid); got != want {
		t.Fatalf("kid %q: %s, want %s", kid, got, want)
	}
}
