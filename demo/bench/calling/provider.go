package calling

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// provider is a token endpoint that rotates: each refresh token is good once, and a second use is an alarm.
type provider struct {
	*httptest.Server
	latency time.Duration

	mu       sync.Mutex
	requests int
	reused   int
	n        int             // generation
	spent    map[string]bool // refresh tokens that were used
	live     string          // the access token of the newest generation
}

func newProvider(latency time.Duration) *provider {
	p := &provider{latency: latency, spent: map[string]bool{}, live: "access-0"}
	p.Server = httptest.NewServer(p)
	return p
}

// refreshToken is the one that generation n of a provider's tokens ends with.
func refreshToken(n int) string { return fmt.Sprint("refresh-", n) }

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(p.latency) // a provider's own time, and the network's
	token := r.FormValue("refresh_token")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	w.Header().Set("Content-Type", "application/json")
	switch {
	case p.spent[token]:
		p.reused++
		fallthrough
	case token != refreshToken(p.n):
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
	default:
		p.spent[token] = true
		p.n++
		p.live = fmt.Sprint("access-", p.n)
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600,"refresh_token":%q}`, p.live, refreshToken(p.n))
	}
}

func (p *provider) counts() (requests, reused int, live string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests, p.reused, p.live
}
