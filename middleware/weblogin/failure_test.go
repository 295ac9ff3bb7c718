package weblogin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func answers(status int, body string) func(url.Values) (int, string, error) {
	return func(url.Values) (int, string, error) { return status, body, nil }
}

// What the provider says about a code, and what the browser is shown. The code is sent once whatever happens.
func TestProviderFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(url.Values) (int, string, error)
		want   int
	}{
		{"code refused", answers(400, `{"error":"invalid_grant","error_description":"<script>"}`), 400},
		{"client refused", answers(401, `{"error":"invalid_client"}`), 502},
		{"out of order", answers(500, "<h1>oops</h1>"), 502},
		{"later", answers(503, `{"error":"temporarily_unavailable"}`), 503},
		{"too many", answers(429, ""), 503},
		{"no answer", func(url.Values) (int, string, error) { return 0, "", errors.New("read: connection reset") }, 502},
		{"unreadable", answers(200, "<html>"), 502},
		{"a token of another kind", answers(200, `{"access_token":"a","token_type":"DPoP"}`), 502},
	}
	for _, tt := range tests {
		s := newSite(t, nil)
		s.provider.answer = tt.answer
		b := s.browser()
		state := b.start("/login")
		w := b.callback("code=C&state=" + state)
		if w.Code != tt.want || b.session() != "" || strings.Contains(w.Body.String(), "script") {
			t.Errorf("%s: %d, want %d: %s", tt.name, w.Code, tt.want, w.Body)
		}
		if (w.Header().Get("Retry-After") != "") != (tt.want == 503) {
			t.Errorf("%s: Retry-After %q", tt.name, w.Header().Get("Retry-After"))
		}
		s.provider.answer = nil
		if w := b.callback("code=C&state=" + state); w.Code != 400 || len(s.provider.asked) != 1 {
			t.Errorf("%s: again: %d, the code was sent %d times", tt.name, w.Code, len(s.provider.asked))
		}
		if w := b.callback("code=C&state=" + b.start("/login")); w.Code != 303 {
			t.Errorf("%s: started again: %d", tt.name, w.Code)
		}
	}
}

// Errors that come through the browser.
func TestErrorAnswers(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{
		"access_denied": 400, "invalid_scope": 400, "server_error": 400, "whatever": 400, "temporarily_unavailable": 503,
	} {
		s := newSite(t, nil)
		b := s.browser()
		w := b.callback("error=" + code + "&error_description=%3Cb%3Ehello&state=" + b.start("/login"))
		if w.Code != want && !(code == "server_error" && w.Code == 502) {
			t.Errorf("%s: %d, want %d", code, w.Code, want)
		}
		if len(s.provider.asked) != 0 || strings.Contains(w.Body.String(), "hello") {
			t.Errorf("%s: %s", code, w.Body)
		}
	}
}

// A token for which no session comes about is given back.
func TestIdentifyFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"forbidden", fmt.Errorf("app: %w", middleware.ErrForbidden), 403},
		{"unknown", store.ErrNotFound, 403},
		{"could not find out", errors.New("users: connection refused"), 503},
		{"userinfo is down", &grants.Error{Request: "userinfo", Class: grants.UnknownOutcome, Status: 500}, 502},
		{"names nobody", nil, 503},
	}
	for _, tt := range tests {
		s := newSite(t, nil)
		s.identify = func(context.Context, *store.Record) error { return tt.err }
		b := s.browser()
		w := b.callback("code=C&state=" + b.start("/login"))
		if w.Code != tt.want || b.session() != "" || s.provider.revoke != 1 {
			t.Errorf("%s: %d, want %d; revoked %d times", tt.name, w.Code, tt.want, s.provider.revoke)
		}
	}
}

type keysOnly struct{ store.TokenStore }

func (s keysOnly) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if !h.IsKey() {
		return nil, fmt.Errorf("sessions are full: %w", errors.ErrUnsupported)
	}
	return s.TokenStore.Put(ctx, h, rec)
}

// A token that became a shared grant is in use: it is not given back because one browser got no session.
func TestGrantWithoutSession(t *testing.T) {
	t.Parallel()
	tokens, _ := memstore.New(nil)
	s := newSite(t, &config{tokens: keysOnly{tokens}})
	grant := store.Key("as", "alice")
	s.identify = func(_ context.Context, rec *store.Record) error {
		rec.Subject, rec.Grant = "alice", grant
		return nil
	}
	b := s.browser()
	if w := b.callback("code=C&state=" + b.start("/login")); w.Code != 503 || s.provider.revoke != 0 {
		t.Errorf("%d, revoked %d times", w.Code, s.provider.revoke)
	}
	if _, err := s.keep.Get(t.Context(), grant); err != nil {
		t.Errorf("the grant: %v", err)
	}
}

func TestSessionStoreDown(t *testing.T) {
	t.Parallel()
	tokens, _ := memstore.New(nil)
	down := &switchStore{TokenStore: tokens}
	s := newSite(t, &config{tokens: down})
	b := s.browser()
	b.signIn("alice")
	down.err = errors.New("connection refused")
	if w := b.do(s.web.Start, "GET", "/login", nil); w.Code != 503 || len(w.Result().Cookies()) > 0 {
		t.Errorf("start: %d %v", w.Code, w.Header())
	}
	down.err = nil
	state := b.start("/login")
	down.err = errors.New("connection refused")
	if w := b.callback("code=C&state=" + state); w.Code != 503 || len(s.provider.asked) != 0 || b.session() == "" {
		t.Errorf("callback: %d, session kept: %v", w.Code, b.session() != "")
	}
	down.err = nil
	if w := b.callback("code=C&state=" + state); w.Code != 303 {
		t.Errorf("the login was used up for nothing: %d", w.Code)
	}
	down.err = errors.New("connection refused")
	if w := b.callback("code=C&state=" + state); w.Code != 503 || b.session() == "" {
		t.Errorf("replay: %d", w.Code)
	}
}

type switchStore struct {
	store.TokenStore
	err error
}

func (s *switchStore) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.TokenStore.Get(ctx, h)
}

func TestPassword(t *testing.T) {
	t.Parallel()
	form := func(kv ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(kv); i += 2 {
			v.Add(kv[i], kv[i+1])
		}
		return v
	}
	good := form("username", "alice@example.org", "password", "wonderland")
	tests := []struct {
		name   string
		form   url.Values
		answer func(url.Values) (int, string, error)
		header []string
		want   int
		sent   int
		text   string
	}{
		{"good", good, nil, nil, 303, 1, ""},
		{"own page", good, nil, []string{"Sec-Fetch-Site", "same-origin"}, 303, 1, ""},
		{"wrong password", good, answers(400, `{"error":"invalid_grant"}`), nil, 403, 1, "Wrong user name or password."},
		{"provider down", good, answers(500, ""), nil, 502, 1, ""},
		{"wrong client", good, answers(401, `{"error":"invalid_client"}`), nil, 502, 1, ""},
		{"another site", good, nil, []string{"Sec-Fetch-Site", "cross-site"}, 403, 0, "another site"},
		{"another origin", good, nil, []string{"Origin", "https://evil.example"}, 403, 0, "another site"},
		{"no password", form("username", "a"), nil, nil, 400, 0, "enter both"},
		{"no user", form("password", "a"), nil, nil, 400, 0, "enter both"},
		{"two users", form("username", "a", "username", "b", "password", "c"), nil, nil, 400, 0, ""},
		{"JSON", good, nil, []string{"Content-Type", "application/json"}, 415, 0, ""},
		{"multipart", good, nil, []string{"Content-Type", "multipart/form-data; boundary=b"}, 415, 0, ""},
		{"too large", form("username", "a", "password", strings.Repeat("a", 65<<10)), nil, nil, 400, 0, ""},
	}
	for _, tt := range tests {
		s := newSite(t, nil)
		s.provider.answer = tt.answer
		b := s.browser()
		w := b.do(s.web.Password, "POST", "/password", tt.form, tt.header...)
		if w.Code != tt.want || len(s.provider.asked) != tt.sent || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s: %d, want %d; sent %d; %s", tt.name, w.Code, tt.want, len(s.provider.asked), w.Body)
		}
		if (b.user() == "alice") != (tt.want == 303) {
			t.Errorf("%s: user %q", tt.name, b.user())
		}
		if strings.Contains(s.logs.String()+w.Body.String(), "wonderland") {
			t.Errorf("%s: the password shows", tt.name)
		}
	}
}

func TestPasswordReturns(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for to, want := range map[string]string{"/orders": "/orders", "//evil.example": "/", "": "/"} {
		w := s.browser().do(s.web.Password, "POST", "/password", url.Values{"username": {"a"}, "password": {"b"}, "return_to": {to}})
		if w.Code != 303 || w.Header().Get("Location") != want {
			t.Errorf("%q: %d %v", to, w.Code, w.Header())
		}
	}
	// Credentials in the query are not looked at: they would be in logs.
	if w := s.browser().do(s.web.Password, "POST", "/password?username=a&password=b", url.Values{}); w.Code != 400 {
		t.Errorf("query: %d", w.Code)
	}
}

func TestFailHook(t *testing.T) {
	t.Parallel()
	c := &config{}
	var got weblogin.Failure
	c.o.Fail = func(w http.ResponseWriter, _ *http.Request, f weblogin.Failure) {
		got = f
		w.WriteHeader(f.Status)
		fmt.Fprint(w, "our page: ", f.Text)
	}
	s := newSite(t, c)
	s.provider.answer = answers(400, `{"error":"invalid_grant"}`)
	w := s.browser().do(s.web.Password, "POST", "/password", url.Values{"username": {"a"}, "password": {"b"}})
	var refused *grants.Error
	if w.Code != 403 || w.Body.String() != "our page: Wrong user name or password." || !errors.As(got.Err, &refused) || refused.Code != "invalid_grant" {
		t.Errorf("%d %s %v", w.Code, w.Body, got)
	}
}

// A client that left is no news for an operator.
func TestNoLogForAClientThatLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	s.provider.answer = func(url.Values) (int, string, error) {
		cancel()
		return 0, "", context.Canceled
	}
	b := s.browser()
	state := b.start("/login")
	r := (&http.Request{Method: "GET", URL: &url.URL{Path: "/callback", RawQuery: "code=C&state=" + state}, Header: http.Header{"Cookie": {b.header()}}}).WithContext(ctx)
	s.web.Callback.ServeHTTP(discard{http.Header{}}, r)
	if strings.Contains(s.logs.String(), "ERROR") {
		t.Errorf("log %s", s.logs)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
