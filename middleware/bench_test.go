package middleware_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

type benchUser struct{ ID string }

// opaque is a verifier that costs what its store costs: the hash of the token and a map.
type opaque map[[32]byte]*store.Record

func (o opaque) Verify(_ context.Context, credential string) (*store.Record, error) {
	rec, ok := o[store.Credential("session", credential).Sum()]
	if !ok {
		return nil, store.ErrNotFound
	}
	return rec, nil
}

var benchUsers = map[string]*benchUser{"42": {ID: "42"}}

func benchSetup(tb testing.TB) (guard *middleware.Guard[*benchUser], tokens opaque, r *http.Request) {
	tb.Helper()
	h := store.NewCredential("session")
	tokens = opaque{h.Sum(): {Subject: "42", Token: store.Token{Scopes: []string{"read", "write"}}}}
	guard, err := middleware.New(tokens, func(_ context.Context, rec *store.Record) (*benchUser, error) {
		return benchUsers[rec.Subject], nil
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return guard, tokens, request("GET", "/", h.Reveal())
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// The budget of an accepted request: one allocation for the identity, one for the request that carries it.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	guard, _, r := benchSetup(t)
	h := guard.Require("write")(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if user, ok := guard.User(r.Context()); !ok || user.ID != "42" {
			t.Error("no user")
		}
	}))
	w := discard{http.Header{}}
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("%v allocations, want 2", n)
	}
	nested := guard.Require("read")(h)
	if n := testing.AllocsPerRun(1000, func() { nested.ServeHTTP(w, r) }); n > 2 {
		t.Errorf("nested: %v allocations, want 2", n)
	}
	users, err := middleware.CacheUsers(func(context.Context, *store.Record) (*benchUser, error) { return benchUsers["42"], nil }, 1000, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	rec := &store.Record{Provider: "https://id.example", Subject: strings.Repeat("subject", 10)}
	if n := testing.AllocsPerRun(1000, func() { users.Resolve(t.Context(), rec) }); n > 0 {
		t.Errorf("a remembered user: %v allocations, want none", n)
	}
	long := request("GET", "/", strings.Repeat(".", 64<<10))
	if n := testing.AllocsPerRun(100, func() { guard.Check(w, long) }); n > 0 {
		t.Errorf("64 KiB token: %v allocations, want none", n)
	}
}
