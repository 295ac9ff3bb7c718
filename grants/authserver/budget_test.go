package authserver_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// body is a ResponseWriter that keeps the body only.
type body struct {
	h    http.Header
	text []byte
}

func (b *body) Header() http.Header         { return b.h }
func (b *body) WriteHeader(int)             {}
func (b *body) Write(p []byte) (int, error) { b.text = append(b.text[:0], p...); return len(p), nil }

// caller sends forms as the client "web" and reads tokens from answers; it allocates little itself.
type caller struct {
	r *http.Request
	w *body
}

func newCaller() *caller {
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: "/token"}, Header: http.Header{"Content-Type": {formBody}}, RequestURI: "/token",
	}
	r.SetBasicAuth("web", secret)
	return &caller{r, &body{h: http.Header{}}}
}

func (c *caller) send(h http.Handler, form string) {
	c.r.Body, c.r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
	h.ServeHTTP(c.w, c.r)
}

func (c *caller) member(name string) string {
	_, after, _ := strings.Cut(string(c.w.text), `"`+name+`":"`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

// TestAllocations holds what is asked for most to its budget: the request's body, three of this test's own, and what the store
// takes included. It is not parallel: AllocsPerRun counts everybody's.
func TestAllocations(t *testing.T) { //nolint:paralleltest // as said
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := authserver.New(tokens, users, plainClients(), nil)
	if err != nil {
		t.Fatal(err)
	}
	token, introspect, c := srv.Token(), srv.Introspect(), newCaller()
	login := form("grant_type", "password", "username", "bob", "password", password)
	c.send(token, login)
	refresh := c.member("refresh_token")
	c.send(token, login)
	access := c.member("access_token")
	for _, job := range []struct {
		name string
		most float64
		run  func()
	}{
		{"password", 23, func() { c.send(token, login) }},
		{"refresh", 34, func() {
			c.send(token, "grant_type=refresh_token&refresh_token="+refresh)
			refresh = c.member("refresh_token")
		}},
		{"introspect", 12, func() { c.send(introspect, "token="+access) }},
		{"verify", 2, func() {
			if _, err := srv.Verify(t.Context(), access); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		got := testing.AllocsPerRun(500, job.run)
		if got > job.most {
			t.Errorf("%s: %v allocations, want at most %v", job.name, got, job.most)
		}
	}
	if refresh == "" {
		t.Error("a refresh failed")
	}
}
