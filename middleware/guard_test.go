package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
)

type busy struct{ error }

func (busy) RetryAfter() time.Duration { return 1500 * time.Millisecond }

// subjects is a verifier for which each token is its own subject, with the scope "read".
var subjects = middleware.VerifierFunc(func(_ context.Context, credential string) (*store.Record, error) {
	switch credential {
	case "unknown":
		return nil, store.ErrNotFound
	case "ended":
		return &store.Record{Subject: "ended"}, store.ErrEnded
	case "refused":
		return nil, fmt.Errorf("tokens: %w", middleware.ErrInvalidToken)
	case "down":
		return nil, errors.New("connection refused")
	case "busy":
		return nil, busy{errors.New("come back later")}
	case "nothing":
		return nil, nil
	}
	return &store.Record{Subject: credential, Token: store.Token{Scopes: []string{"read"}}}, nil
})

func newGuard(t *testing.T, v middleware.Verifier, o *middleware.Options) *guardtest.Guard {
	t.Helper()
	guard, err := middleware.New(v, guardtest.Resolve, o)
	if err != nil {
		t.Fatal(err)
	}
	return guard
}

func request(method, target, token string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var done = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })

func TestOutcomes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		token  string
		kind   error
		status int
		code   string
		retry  string
		logged string
	}{
		{"u1", nil, 200, "", "", ""},
		{"unknown", middleware.ErrInvalidToken, 401, "invalid_token", "", ""},
		{"ended", middleware.ErrInvalidToken, 401, "invalid_token", "", ""},
		{"refused", middleware.ErrInvalidToken, 401, "invalid_token", "", ""},
		{"down", middleware.ErrUnavailable, 503, "", "2", "connection refused"},
		{"busy", middleware.ErrUnavailable, 503, "", "2", "come back later"},
		{"nothing", middleware.ErrUnavailable, 503, "", "2", "neither record nor error"},
		{"ghost-user", middleware.ErrInvalidToken, 401, "invalid_token", "", ""},
		{"disabled-user", middleware.ErrForbidden, 403, "", "", ""},
		{"user-backend-down", middleware.ErrUnavailable, 503, "", "2", "connection refused"},
		{"nil-user", middleware.ErrUnavailable, 503, "", "2", "neither user nor error"},
	}
	for _, tt := range tests {
		t.Run(tt.token, func(t *testing.T) {
			t.Parallel()
			var logs bytes.Buffer
			guard := newGuard(t, subjects, &middleware.Options{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
			r := request("GET", "/", tt.token)
			checked, err := guard.Check(httptest.NewRecorder(), r)
			if !errors.Is(err, tt.kind) || checked == nil {
				t.Errorf("Check: %v, %v", checked, err)
			}
			w := serve(guard.Require()(done), r)
			if w.Code != tt.status || w.Header().Get("Retry-After") != tt.retry {
				t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			if got := guardtest.Challenge(t, w.Header())["error"]; got != tt.code {
				t.Errorf("error %q, want %q", got, tt.code)
			}
			if tt.code == "" && w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("challenge %q", w.Header().Get("WWW-Authenticate"))
			}
			if got := logs.String(); (got == "") != (tt.logged == "") || !strings.Contains(got, tt.logged) {
				t.Errorf("log %q", got)
			}
			if text := w.Body.String(); tt.logged != "" && strings.Contains(text, tt.logged) {
				t.Errorf("internals in the body: %s", text)
			}
		})
	}
}

// A client must not learn whether a bad token ever was a good one.
func TestOneAnswerForBadTokens(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	want := ""
	for _, token := range []string{"unknown", "ended", "ghost-user", "a,b", strings.Repeat("a", 9000)} {
		w := serve(guard.Require("read")(done), request("GET", "/", token))
		got := fmt.Sprint(w.Code, w.Header(), w.Body)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%.20s answers\n%s\nunlike the others\n%s", token, got, want)
		}
	}
}

// A client that left is no news for an operator.
func TestNoLogForAClientThatLeft(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	guard := newGuard(t, subjects, &middleware.Options{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w := serve(guard.Require()(done), request("GET", "/", "down").WithContext(ctx)); w.Code != 503 || logs.Len() > 0 {
		t.Errorf("status %d, log %s", w.Code, &logs)
	}
}

func TestDenyForeignErrors(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	for err, want := range map[error]int{
		middleware.ErrNoToken: 401, middleware.ErrInvalidRequest: 400, middleware.ErrInvalidToken: 401, store.ErrEnded: 401,
		middleware.ErrInsufficientScope: 403, middleware.ErrForbidden: 403, middleware.ErrUnavailable: 503, context.Canceled: 503,
	} {
		w := httptest.NewRecorder()
		guard.Deny(w, request("GET", "/", ""), fmt.Errorf("app: %w", err))
		if w.Code != want {
			t.Errorf("%v: %d, want %d", err, w.Code, want)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (want <= 401 || err == middleware.ErrInsufficientScope) {
			t.Errorf("%v: challenge %q", err, challenge)
		}
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := middleware.New[*guardtest.User](nil, nil, &middleware.Options{
		Realm: "a\r\nSet-Cookie: x", TokenLimit: -1, Resource: "http://api.example", Scopes: []string{"a b"}, AuthorizationServers: []string{"::"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"verifier", "resolver", "Realm", "TokenLimit", "Resource", "Scopes", "AuthorizationServers"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not reported: %v", part, err)
		}
	}
}

func TestNested(t *testing.T) {
	t.Parallel()
	var calls int
	guard := newGuard(t, middleware.VerifierFunc(func(ctx context.Context, credential string) (*store.Record, error) {
		calls++
		return subjects(ctx, credential)
	}), nil)
	other := newGuard(t, subjects, nil)
	tests := []struct {
		name          string
		h             http.Handler
		token         string
		status, calls int
	}{
		{"twice", guard.Require("read")(guard.Require("read")(done)), "u1", 200, 1},
		{"inner scope", guard.Require("read")(guard.Require("write")(done)), "u1", 403, 1},
		{"optional outside", guard.Optional()(guard.Require()(done)), "", 401, 0},
		{"optional inside", guard.Require()(guard.Optional("write")(done)), "u1", 403, 1},
		{"another guard has its own users", guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, ok := other.User(r.Context()); ok {
				t.Errorf("the other guard knows %v", user)
			}
		})), "u1", 200, 1},
		{"another guard validates itself", guard.Require()(other.Require("write")(done)), "u1", 403, 1},
	}
	for _, tt := range tests {
		calls = 0
		if w := serve(tt.h, request("GET", "/", tt.token)); w.Code != tt.status || calls != tt.calls {
			t.Errorf("%s: status %d, want %d; validated %d times, want %d", tt.name, w.Code, tt.status, calls, tt.calls)
		}
	}
}

func TestOptionalAnonymousIsNobody(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	serve(guard.Optional()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if user, ok := guard.User(r.Context()); ok || user != nil {
			t.Errorf("user %v", user)
		}
		if rec, ok := guard.Record(r.Context()); ok || rec != nil {
			t.Errorf("record %v", rec)
		}
	})), request("GET", "/", ""))
	for _, token := range []string{"unknown", "down", "disabled-user"} {
		if w := serve(guard.Optional()(done), request("GET", "/", token)); w.Code == 200 {
			t.Errorf("%s got in", token)
		}
	}
}

func TestWithUser(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	r := request("GET", "/", "")
	r = r.WithContext(guard.WithUser(r.Context(), &guardtest.User{ID: "42"}, "read"))
	if w := serve(guard.Require("read")(done), r); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
	if w := serve(guard.Require("write")(done), r); w.Code != 403 {
		t.Errorf("status %d without the scope", w.Code)
	}
	self, err := middleware.New(subjects, middleware.Self, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := &store.Record{Subject: "42"}
	ctx := self.WithUser(t.Context(), own, "read")
	if len(own.Token.Scopes) > 0 {
		t.Error("the caller's record was changed")
	}
	if rec, ok := self.Record(ctx); !ok || rec.Subject != "42" || len(rec.Token.Scopes) != 1 {
		t.Errorf("record %v", rec)
	}
	if text := fmt.Sprintf("%v %+v %#v", ctx, ctx, r.Context()); strings.Contains(text, "42") {
		t.Errorf("the context prints its user: %s", text)
	}
}

// A malformed scope can never be granted: mounting it is a fault of the program, checking it is a refusal whose
// challenge stays well-formed.
func TestMalformedScope(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	const bad = "a\"\r\nb"
	w, r := httptest.NewRecorder(), request("GET", "/", "u1")
	_, err := guard.Check(w, r, bad)
	guard.Deny(w, r, err)
	if got := guardtest.Challenge(t, w.Header()); w.Code != 403 || got["error"] != "insufficient_scope" || got["scope"] != "" {
		t.Errorf("%d %v", w.Code, got)
	}
	for _, mount := range []func(...string) func(http.Handler) http.Handler{guard.Require, guard.Optional, guard.RequireAny} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("mounted")
				}
			}()
			mount(bad)
		}()
	}
}

func TestPanickingResolverHoldsNothing(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	h := guardtest.Recover(guard.Require()(done))
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if w := serve(h, request("GET", "/", "panic-user")); w.Code != 500 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
	wg.Wait()
	if w := serve(h, request("GET", "/", "u1")); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

// Nobody ever gets another one's identity, cancelled requests included.
func TestNoMixUps(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	each64(t, 1_000_000, func(n int, ctx context.Context) {
		want := fmt.Sprint("u", n%5000)
		checked, err := guard.Check(nil, bearing(ctx, want), "read")
		user, ok := guard.User(checked.Context())
		rec, _ := guard.Record(checked.Context())
		if err != nil || !ok || user.ID != want || rec.Subject != want {
			t.Errorf("wanted %s, got %v, %v", want, user, err)
		}
	})
}
