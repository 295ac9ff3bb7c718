// Package live is table 2: a protected request with an opaque token, or a browser's session, kept in this process.
package live

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

// floor is a hash of the token, a map with 256 locks and the clock: nothing to spare, one configuration, one error.
type floor [256]struct {
	mu sync.RWMutex
	m  map[[32]byte]entry
}

type entry struct {
	user    string
	expires time.Time
}

type userKey struct{}

func (f *floor) put(token string, e entry) {
	sum := sha256.Sum256([]byte(token))
	sh := &f[sum[0]]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m == nil {
		sh.m = map[[32]byte]entry{}
	}
	sh.m[sum] = e
}

func (f *floor) get(r *http.Request) (string, bool) {
	lines := r.Header["Authorization"]
	const scheme = "Bearer "
	if len(lines) != 1 || len(lines[0]) <= len(scheme) || lines[0][:len(scheme)] != scheme {
		return "", false
	}
	var room [64]byte
	sum := sha256.Sum256(append(room[:0], lines[0][len(scheme):]...))
	sh := &f[sum[0]]
	sh.mu.RLock()
	e, ok := sh.m[sum]
	sh.mu.RUnlock()
	return e.user, ok && time.Now().Before(e.expires)
}

func (f *floor) delete(token string) {
	sum := sha256.Sum256([]byte(token))
	sh := &f[sum[0]]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.m, sum)
}

// floorSite hands the user over in the context, or as an argument.
func floorSite(n int, argument bool) (*site.Site, error) {
	f, s := &floor{}, &site.Site{Bad: map[string]*http.Request{}}
	tokens := make([]string, n+1)
	for i := range tokens {
		tokens[i] = rand.Text() + rand.Text()
		e := entry{site.UserName(i), time.Now().Add(time.Hour)}
		if i == n {
			e.expires = time.Now().Add(-time.Second)
		}
		f.put(tokens[i], e)
	}
	badBearers(s, tokens)
	s.Delete = func(i int) error { f.delete(tokens[i]); return nil }
	if argument {
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, ok := f.get(r); ok {
				s.Seen(user)
				return
			}
			w.WriteHeader(http.StatusUnauthorized)
		})
		return s, nil
	}
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, _ := r.Context().Value(userKey{}).(string)
		s.Seen(user)
	})
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := f.get(r)
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
	return s, nil
}

// badBearers fills in the requests; the last token is the expired one.
func badBearers(s *site.Site, tokens []string) {
	n := len(tokens) - 1
	for _, t := range tokens[:n] {
		s.Good = append(s.Good, site.Bearer(t))
	}
	s.Bad = map[string]*http.Request{
		"no token": site.Bearer(""), "an unknown token": site.Bearer(rand.Text() + rand.Text()),
		"a changed token": site.Bearer(site.Flip(tokens[0])), "an expired token": site.Bearer(tokens[n]),
	}
}

// Main is the row that others are compared with.
const Main = "tokenkeep: guard, keeper, memstore; bearer"

// Rows are the contestants at one size; workers callers at once.
func Rows(table string, n, workers int) []measure.Row {
	row := func(name string, role measure.Role, open func(n int) (*site.Site, error)) measure.Row {
		return measure.Row{Table: table, Name: name, Role: role, Setup: func(scene *measure.Scene) (*measure.Trial, error) {
			s, err := open(scene.Size(n) + 1) // one is deleted to see that it is refused
			if err != nil {
				return nil, err
			}
			t := s.Trial()
			t.Workers = workers
			return t, nil
		}}
	}
	return []measure.Row{
		row("floor: SHA-256, sharded map, context", measure.Floor, func(n int) (*site.Site, error) { return floorSite(n, false) }),
		row("floor: the same, user as an argument", measure.Floor, func(n int) (*site.Site, error) { return floorSite(n, true) }),
		row(Main, measure.Ours, bearerSite),
		row("tokenkeep: the same, user as an argument", measure.Ours, argumentSite),
		row("tokenkeep: the same in Gin", measure.Ours, ginSite),
		row("tokenkeep: the same, session cookie", measure.Ours, cookieSite),
		row("fosite: HMAC token, memory store", measure.Peer, fositeSite),
		row("go-oauth2: memory token store", measure.Peer, goOAuth2Site),
		row("scs: memstore", measure.Peer, scsSite),
		row("gorilla/sessions: quasoft memstore", measure.Peer, gorillaSite),
		row("gin-contrib/sessions: memstore", measure.Peer, ginSessionsSite),
	}
}
