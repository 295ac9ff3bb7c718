package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// provider is a token endpoint whose every step is on record. Tokens name their grant, so that a mix-up shows.
type provider struct {
	kind string
	life time.Duration // of access tokens

	mu     sync.Mutex
	grants map[string]*family
	log    []spent
}

// family is one grant's refresh tokens.
type family struct {
	live      map[string]bool // refresh tokens that work
	successor map[string]string
	spentAt   map[string]time.Time
	access    string // the newest access token
	n         int
	revoked   bool // by reuse
	ended     bool // by the revocation endpoint
}

// spent is one answer of the token endpoint.
type spent struct {
	grant, worker, sent, got string
	at                       time.Time
	reuse                    bool
}

func newProvider(kind string) *provider {
	return &provider{kind: kind, life: accessLife, grants: map[string]*family{}}
}

// issue begins a grant and returns its first refresh token.
func (p *provider) issue(grant string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := &family{live: map[string]bool{}, successor: map[string]string{}, spentAt: map[string]time.Time{}}
	p.grants[grant] = f
	first := "secret-" + grant + "-r0"
	f.live[first] = true
	return first
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	grant := grantOf(r.PostForm.Get("refresh_token") + r.PostForm.Get("token"))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/revoke" {
		p.revoke(grant)
		return
	}
	time.Sleep(time.Duration(time.Now().UnixNano()%10) * time.Millisecond)
	answer, ok := p.refresh(grant, r.PostForm.Get("refresh_token"), r.Header.Get("Worker"))
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	time.Sleep(time.Duration(time.Now().UnixNano()%10) * time.Millisecond)
	json.NewEncoder(w).Encode(answer)
}

// grantOf reads the grant's name out of a token, "secret-NAME-rN".
func grantOf(token string) string {
	parts := strings.Split(token, "-")
	if len(parts) != 3 {
		return ""
	}
	return parts[1]
}

func (p *provider) refresh(grant, sent, worker string) (map[string]any, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.grants[grant]
	if f == nil {
		return nil, false
	}
	entry := spent{grant: grant, worker: worker, sent: sent, at: time.Now()}
	defer func() { p.log = append(p.log, entry) }()
	if f.revoked || f.ended {
		return nil, false
	}
	got := sent
	if !f.live[sent] {
		next, known := f.successor[sent]
		entry.reuse = true
		switch {
		case known && p.kind == "P1a" && time.Since(f.spentAt[sent]) < grace:
			got = next // the same successor again
		case known && p.kind == "P3":
			f.revoked = true
			return nil, false
		default:
			return nil, false
		}
	} else if p.kind != "P0" {
		f.n++
		got = fmt.Sprintf("secret-%s-r%d", grant, f.n)
		delete(f.live, sent)
		f.live[got], f.successor[sent], f.spentAt[sent] = true, got, time.Now()
	} else {
		f.n++
	}
	entry.got = got
	f.access = fmt.Sprintf("secret-%s-a%d", grant, f.n)
	answer := map[string]any{"access_token": f.access, "token_type": "Bearer", "expires_in": int(p.life.Seconds())}
	if p.kind != "P0" {
		answer["refresh_token"] = got
	}
	return answer, true
}

func (p *provider) revoke(grant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.grants[grant]; f != nil {
		f.ended = true
	}
}
