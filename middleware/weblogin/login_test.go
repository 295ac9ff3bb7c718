package weblogin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	state := b.start("/login?return_to=/orders%3Fx=1")
	if b.flows() != 1 || strings.Contains(b.header(), state) {
		t.Errorf("cookies %s", b.header())
	}
	sealed := len(b.header())
	w := b.callback("code=C1&state=" + state + "&iss=https%3A%2F%2Fas.example")
	if left := len(b.header()) - len(b.session()); left > sealed-100 {
		t.Errorf("the used login still takes %d of %d bytes: its secrets are there", left, sealed)
	}
	if w.Code != 303 || w.Header().Get("Location") != "/orders?x=1" || b.user() != "alice" {
		t.Errorf("%d %v, user %q", w.Code, w.Header(), b.user())
	}
	form := s.provider.asked[0]
	if form.Get("grant_type") != "authorization_code" || form.Get("code") != "C1" || form.Get("code_verifier") == "" ||
		form.Get("redirect_uri") != "https://app.example/callback" {
		t.Errorf("token request %v", form)
	}
	rec, err := s.keep.Verify(t.Context(), b.session())
	if err != nil || rec.Provider != "as" || rec.Token.AccessToken != "at-secret" || rec.Expires.IsZero() {
		t.Errorf("record %v, %v", rec, err)
	}
}

// Where the browser is sent does not depend on what it calls this host.
func TestHostIsNotUsed(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	w := s.browser().do(s.web.Start, "GET", "/login", nil, "Host", "evil.example", "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example")
	if strings.Contains(w.Header().Get("Location"), "evil") {
		t.Error(w.Header().Get("Location"))
	}
}

func TestNewSessionAtLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	b.signIn("mallory") // planted
	planted := b.session()
	b.signIn("alice")
	first := b.session()
	state := b.start("/login")
	b.callback("code=C&state=" + state)
	if b.session() == first || b.session() == planted {
		t.Error("the session kept its identifier")
	}
	if rec, err := s.keep.Verify(t.Context(), planted); err == nil && rec.Subject != "mallory" {
		t.Errorf("the planted session is %s", rec.Subject)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	state := b.start("/login")
	tests := []struct {
		h             http.Handler
		method, allow string
	}{
		{s.web.Start, "HEAD", "GET, POST"}, {s.web.Start, "PUT", "GET, POST"}, {s.web.Callback, "HEAD", "GET"}, {s.web.Callback, "POST", "GET"},
		{s.web.Password, "GET", "POST"}, {s.web.Password, "HEAD", "POST"},
	}
	for _, tt := range tests {
		w := b.do(tt.h, tt.method, "/x?code=C&state="+state, nil)
		if w.Code != 405 || w.Header().Get("Allow") != tt.allow || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d %v", tt.method, w.Code, w.Header())
		}
	}
	if w := b.callback("code=C&state=" + state); w.Code != 303 {
		t.Errorf("a HEAD request used the login up: %d", w.Code)
	}
	if w := b.do(s.web.Start, "POST", "/login", nil); w.Code != 303 {
		t.Errorf("POST to start: %d", w.Code)
	}
}

func TestStrayCallbacks(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	other := s.browser().start("/login")
	b := s.browser()
	state := b.start("/login")
	for name, query := range map[string]string{
		"nothing": "", "no state": "code=C", "other browser's state": "code=C&state=" + other, "prefix": "code=C&state=" + state[:10],
		"repeated code": "code=C&code=C&state=" + state, "repeated anything": "x=1&x=2&code=C&state=" + state, "malformed": "code=%zz&state=" + state,
		"semicolon": "code=C;state=" + state, "long": "code=" + strings.Repeat("a", 17<<10) + "&state=" + state,
		"markup": "state=%3Cscript%3E&error_description=%3Cscript%3E",
	} {
		w := b.callback(query)
		if w.Code != 400 || len(s.provider.asked) != 0 || strings.Contains(w.Body.String(), "script") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if csp := w.Header().Get("Content-Security-Policy"); csp != "default-src 'none'; frame-ancestors 'none'" {
			t.Errorf("%s: Content-Security-Policy %q", name, csp)
		}
	}
	if w := b.callback("code=C&state=" + state); w.Code != 303 {
		t.Errorf("none of them used the login up: %d", w.Code)
	}
}

// A login begun with one user's session is not finished with another one's; begun with none, with anybody's.
func TestBoundToTheUserWhoBegan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		began, finished string
		want            int
	}{{"u1", "u2", 400}, {"u1", "u1", 303}, {"u1", "", 303}, {"", "u2", 303}, {"", "", 303}}
	for _, tt := range tests {
		s := newSite(t, nil)
		b := s.browser()
		if tt.began != "" {
			b.signIn(tt.began)
		}
		state := b.start("/login")
		b.drop("__Host-session")
		if tt.finished != "" {
			b.signIn(tt.finished)
		}
		if w := b.callback("code=C&state=" + state); w.Code != tt.want {
			t.Errorf("%q, then %q: %d, want %d", tt.began, tt.finished, w.Code, tt.want)
		}
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	ring, _ := seal.New(seal.NewKey())
	cookies, err := cookiestore.New(ring, cookiestore.SingleReplica())
	if err != nil {
		t.Fatal(err)
	}
	_, err = weblogin.New(nil, nil, nil, &weblogin.Options{Home: "//evil", Flows: cookies})
	for _, part := range []string{"client", "session", "identify", "Home", "Flows"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not reported: %v", part, err)
		}
	}
	_, err = weblogin.New(&grants.Client{TokenURL: "http://as.example"}, &middleware.Session{}, func(context.Context, *store.Record) error { return nil }, nil)
	for _, part := range []string{"Keeper", "Ring", "TokenURL"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not reported: %v", part, err)
		}
	}
}

func TestSessionsThatShareAGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.identify = func(_ context.Context, rec *store.Record) error {
		rec.Subject, rec.Grant = "alice", store.Key("as", "alice")
		return nil
	}
	b, c := s.browser(), s.browser()
	b.callback("code=C&state=" + b.start("/login"))
	c.callback("code=C&state=" + c.start("/login"))
	if b.user() != "alice" || c.user() != "alice" {
		t.Errorf("users %q, %q", b.user(), c.user())
	}
	if rec, err := s.keep.Get(t.Context(), store.Key("as", "alice")); err != nil || rec.Token.AccessToken != "at-secret" {
		t.Errorf("the grant: %v, %v", rec, err)
	}
}

func TestStatelessSessions(t *testing.T) {
	t.Parallel()
	ring, _ := seal.New(seal.NewKey())
	coordinator, _ := memstore.New(nil)
	tokens, err := cookiestore.New(ring, cookiestore.Coordinator(coordinator))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, &config{tokens: tokens})
	b := s.browser()
	if w := b.callback("code=C&state=" + b.start("/login")); w.Code != 303 || b.user() != "alice" {
		t.Errorf("%d, user %q", w.Code, b.user())
	}
}

func TestFlowParams(t *testing.T) {
	t.Parallel()
	c := &config{}
	c.o.Flow = &grants.FlowOptions{Scopes: []string{"profile"}, Params: url.Values{"prompt": {"login"}}}
	s := newSite(t, c)
	w := s.browser().do(s.web.Start, "GET", "/login", nil)
	to, _ := url.Parse(w.Header().Get("Location"))
	if q := to.Query(); q.Get("scope") != "profile" || q.Get("prompt") != "login" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("%v", q)
	}
}

// FuzzCallback: no query makes a session, asks the provider or shows up in the answer, unless it brings the state.
func FuzzCallback(f *testing.F) {
	for _, seed := range []string{
		"code=C&state=S1", "code=C1&code=C2&state=S1", "error=access_denied&error_description=%3Cscript%3E", "access_token=AT&state=S1", "state=", "%zz", "a;b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		s := newSite(t, nil)
		b := s.browser()
		state := b.start("/login")
		r := httptest.NewRequest("GET", "/callback", nil)
		r.URL.RawQuery = query
		r.Header.Set("Cookie", b.header())
		w := httptest.NewRecorder()
		s.web.Callback.ServeHTTP(w, r)
		if w.Code != 400 || len(s.provider.asked) != 0 {
			t.Fatalf("%q: %d, %d token requests", query, w.Code, len(s.provider.asked))
		}
		if len(query) > 20 && strings.Contains(w.Body.String(), query) {
			t.Fatalf("%q is in the answer", query)
		}
		if w := b.callback("code=C&state=" + state); w.Code != 303 {
			t.Fatalf("%q used the login up: %d", query, w.Code)
		}
	})
}
