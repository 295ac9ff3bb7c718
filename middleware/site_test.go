package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// site is an application with a guard that admits sessions.
type site struct {
	*testing.T
	session *middleware.Session
	guard   *middleware.Guard[*store.Record]
	keep    *keeper.Keeper
	tokens  store.TokenStore
}

type siteConfig struct {
	ring     *seal.Ring
	tokens   store.TokenStore // nil: a memstore
	refresh  keeper.Refresher
	session  middleware.Session
	options  middleware.Options
	resolve  func(context.Context, *store.Record) (*store.Record, error)
	verifier middleware.Verifier
}

func newSite(t *testing.T, c *siteConfig) *site {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if c.ring == nil {
		ring, err := seal.New(seal.NewKey())
		must(err)
		c.ring = ring
	}
	if c.tokens == nil {
		tokens, err := memstore.New(nil)
		must(err)
		c.tokens = tokens
	}
	keep, err := keeper.New(c.tokens, c.refresh, nil)
	must(err)
	t.Cleanup(func() { keep.Close(context.Background()) })
	s := &c.session
	s.Keeper, s.Ring = keep, c.ring
	if c.resolve == nil {
		c.resolve = middleware.Self
	}
	if c.verifier == nil {
		c.verifier = keep
	}
	c.options.Session = s
	c.options.Logger = quiet.Logger
	guard, err := middleware.New(c.verifier, c.resolve, &c.options)
	must(err)
	return &site{T: t, session: s, guard: guard, keep: keep, tokens: c.tokens}
}

// stateless returns the configuration of a site whose cookie is the record itself.
func stateless(t *testing.T, ring *seal.Ring) *siteConfig {
	t.Helper()
	coordinator, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := cookiestore.New(ring, cookiestore.Coordinator(coordinator))
	if err != nil {
		t.Fatal(err)
	}
	return &siteConfig{ring: ring, tokens: tokens, session: middleware.Session{Name: "kit"}}
}

func newRing(t *testing.T) *seal.Ring {
	t.Helper()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// login starts a session and returns what the browser's Cookie header is from then on.
func (s *site) login(rec *store.Record) (*store.Record, string) {
	s.Helper()
	w := httptest.NewRecorder()
	started, err := s.session.Start(w, httptest.NewRequest("POST", "/login", nil), rec)
	if err != nil {
		s.Fatal(err)
	}
	return started, cookieHeader(w)
}

func cookieHeader(w *httptest.ResponseRecorder) string {
	var pairs []string
	for _, c := range w.Result().Cookies() {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// whoami answers the subject, or "anonymous".
func (s *site) whoami() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rec, ok := s.guard.User(r.Context()); ok {
			fmt.Fprint(w, rec.Subject)
			return
		}
		fmt.Fprint(w, "anonymous")
	})
}

func withCookie(r *http.Request, cookies ...string) *http.Request {
	r.Header["Cookie"] = cookies
	return r
}

// cleared returns the names of the cookies that the answer expires, and fails unless every Set-Cookie is as it must be.
func (s *site) cleared(w *httptest.ResponseRecorder) []string {
	s.Helper()
	return guardtest.Cleared(s, w, s.session.InsecureLoopbackHTTP)
}
