package middleware_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
)

// Handler decides and answers as Require does: by the same tables.
func TestHandlerBearerRequests(t *testing.T) {
	t.Parallel()
	guardtest.Run(t, "testdata/bearer_requests.json", func(c *guardtest.Case, guard *guardtest.Guard, next http.HandlerFunc) http.Handler {
		if c.Config.Optional {
			return guardtest.Recover(guard.Optional(c.Config.Scopes...)(next))
		}
		return guardtest.Recover(guard.Handler(func(w http.ResponseWriter, r *http.Request, user *guardtest.User) {
			if _, ok := guard.User(r.Context()); ok {
				t.Error("the context carries the user")
			}
			next(w, r.WithContext(guard.WithUser(r.Context(), user)))
		}, c.Config.Scopes...))
	})
}

func TestHandlerCookieRequests(t *testing.T) {
	t.Parallel()
	guardtest.RunCookies(t, "testdata/cookie_requests.json", func(guard *guardtest.SessionGuard, optional bool, next http.HandlerFunc) http.Handler {
		if optional {
			return guard.Optional()(next)
		}
		return guard.Handler(func(w http.ResponseWriter, r *http.Request, rec *store.Record) {
			next(w, r.WithContext(guard.WithUser(r.Context(), rec)))
		})
	})
}

// Behind another mount of its guard, Handler asks nobody again; and whoever answers a refusal for want of a scope knows
// who asked.
func TestHandlerBehindRequire(t *testing.T) {
	t.Parallel()
	asked := 0
	guard := newGuard(t, middleware.VerifierFunc(func(ctx context.Context, credential string) (*store.Record, error) {
		asked++
		return subjects(ctx, credential)
	}), nil)
	denied := ""
	refusing := guard.WithDeny(func(_ http.ResponseWriter, r *http.Request, _ error) bool {
		if user, ok := guard.User(r.Context()); ok {
			denied = user.ID
		}
		return false
	})
	for _, tt := range []struct {
		scope  string
		status int
	}{{"read", 200}, {"admin", 403}} {
		asked = 0
		seen := ""
		w := httptest.NewRecorder()
		guard.Require()(refusing.Handler(func(_ http.ResponseWriter, _ *http.Request, user *guardtest.User) { seen = user.ID }, tt.scope)).
			ServeHTTP(w, request("GET", "/", "u1"))
		if w.Code != tt.status || (seen == "u1") != (tt.status == 200) || asked != 1 {
			t.Errorf("%s: status %d, user %q, asked %d times", tt.scope, w.Code, seen, asked)
		}
	}
	if denied != "u1" {
		t.Errorf("the refusal was of %q", denied)
	}
	denied = ""
	w := httptest.NewRecorder()
	refusing.Handler(func(http.ResponseWriter, *http.Request, *guardtest.User) {}, "admin").ServeHTTP(w, request("GET", "/", "u1"))
	if w.Code != http.StatusForbidden || denied != "u1" {
		t.Errorf("alone: status %d, the refusal was of %q", w.Code, denied)
	}
}

func TestHandlerAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	guard, _, r := benchSetup(t)
	h := guard.Handler(func(_ http.ResponseWriter, _ *http.Request, user *benchUser) {
		if user.ID != "42" {
			t.Error("another user")
		}
	}, "write")
	w := discard{http.Header{}}
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestHandlerOfNoScope(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	defer func() {
		if recover() == nil {
			t.Error("two scopes in one were taken")
		}
	}()
	guard.Handler(nil, "read write")
}
