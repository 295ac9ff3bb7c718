package weblogin_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

func newImplicitSite(t *testing.T) *site {
	s := newSite(t, &config{client: func(c *grants.Client) { c.IntrospectURL = "https://as.example/introspect" }})
	s.provider.inspect = `{"active":true,"client_id":"client"}`
	return s
}

func (b *browser) startImplicit(target string) (state string) {
	b.Helper()
	w := b.do(b.web.StartImplicit, "GET", target, nil)
	to, _ := url.Parse(w.Header().Get("Location"))
	if w.Code != 303 || to.Query().Get("response_type") != "token" {
		b.Fatalf("start: %d %v", w.Code, w.Header())
	}
	return to.Query().Get("state")
}

func (b *browser) fragment(fragment string, header ...string) *httptest.ResponseRecorder {
	b.Helper()
	return b.do(b.web.Implicit, "POST", "/callback", url.Values{"fragment": {fragment}}, header...)
}

const granted = "access_token=at-secret&token_type=bearer&expires_in=60&refresh_token=rt-secret&state="

func TestImplicit(t *testing.T) {
	t.Parallel()
	s := newImplicitSite(t)
	b := s.browser()
	state := b.startImplicit("/login?return_to=/orders")
	w := b.fragment(granted + state)
	if w.Code != 303 || w.Header().Get("Location") != "/orders" || b.user() != "alice" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	rec, err := s.keep.Verify(t.Context(), b.session())
	if err != nil || rec.Token.AccessToken != "at-secret" || rec.Token.RefreshToken != "" {
		t.Errorf("record %v, %v", rec, err)
	}
	before := b.session()
	if w := b.fragment(granted + state); w.Code != 303 || b.session() != before {
		t.Errorf("again: %d", w.Code)
	}
	if len(s.provider.asked) != 0 {
		t.Errorf("the token endpoint was asked")
	}
	if strings.Contains(s.logs.String(), "at-secret") || strings.Contains(s.logs.String(), state) {
		t.Errorf("log: %s", s.logs)
	}
}

func TestImplicitRefusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change   func(s *site)
		fragment string
		header   []string
		want     int
	}{
		"of another client":  {change: func(s *site) { s.provider.inspect = `{"active":true,"client_id":"other"}` }, fragment: granted, want: 400},
		"inactive":           {change: func(s *site) { s.provider.inspect = `{"active":false}` }, fragment: granted, want: 400},
		"no state":           {fragment: "access_token=at-secret&x=", want: 400},
		"state twice":        {fragment: "state=x&" + granted, want: 400},
		"a code":             {fragment: "code=C&" + granted, want: 400},
		"an error":           {fragment: "error=access_denied&error_description=%3Cscript%3E&state=", want: 400},
		"malformed":          {fragment: "%zz&" + granted, want: 400},
		"another site's":     {fragment: granted, header: []string{"Sec-Fetch-Site", "cross-site"}, want: 403},
		"a sibling's":        {fragment: granted, header: []string{"Sec-Fetch-Site", "same-site"}, want: 403},
		"an opaque origin's": {fragment: granted, header: []string{"Origin", "null"}, want: 403},
		"identify refuses": {change: func(s *site) {
			s.identify = func(context.Context, *store.Record) error { return store.ErrNotFound }
		}, fragment: granted, want: 403},
	} {
		s := newImplicitSite(t)
		if tt.change != nil {
			tt.change(s)
		}
		b := s.browser()
		w := b.fragment(tt.fragment+b.startImplicit("/login"), tt.header...)
		if w.Code != tt.want || b.session() != "" || strings.Contains(w.Body.String(), "at-secret") || strings.Contains(w.Body.String(), "script") {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, tt.want, w.Body)
		}
	}
}

// A login of one kind is not finished by the answer of the other.
func TestImplicitAndCodeDoNotMix(t *testing.T) {
	t.Parallel()
	s := newImplicitSite(t)
	b := s.browser()
	if w := b.fragment(granted + b.start("/login")); w.Code != 400 || b.session() != "" {
		t.Errorf("a fragment for a code login: %d", w.Code)
	}
	if w := b.callback("code=C&state=" + b.startImplicit("/login")); w.Code != 400 || len(s.provider.asked) != 0 {
		t.Errorf("a code for an implicit login: %d", w.Code)
	}
	if w := b.callback(granted + b.startImplicit("/login")); w.Code != 400 || b.session() != "" {
		t.Errorf("a token in the callback's query: %d", w.Code)
	}
}

// The page runs the one script that its policy names, and a token in its URL's query is refused unseen.
func TestRelayPage(t *testing.T) {
	t.Parallel()
	s := newImplicitSite(t)
	b := s.browser()
	w := b.do(s.web.Implicit, "GET", "/callback", nil)
	script := regexp.MustCompile(`(?s)<script>(.*)</script>`).FindStringSubmatch(w.Body.String())
	if w.Code != 200 || script == nil || strings.Count(w.Body.String(), "<script") != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	sum := sha256.Sum256([]byte(script[1]))
	want := "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if got := w.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("Content-Security-Policy %s, want %s", got, want)
	}
	if at := strings.Index(script[1], "replaceState"); at < 0 || at > strings.Index(script[1], "submit") {
		t.Errorf("the fragment is not taken out of the URL first: %s", script[1])
	}
	if w := b.do(s.web.Implicit, "GET", "/callback?"+granted+"x", nil); w.Code != 400 || strings.Contains(w.Body.String(), "at-secret") {
		t.Errorf("in the query: %d %s", w.Code, w.Body)
	}
	for _, method := range []string{"HEAD", "PUT"} {
		if w := b.do(s.web.Implicit, method, "/callback", nil); w.Code != 405 || w.Header().Get("Allow") != "GET, POST" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if w := b.do(s.web.Implicit, "POST", "/callback", nil); w.Code != 415 {
		t.Errorf("no form: %d", w.Code)
	}
}

// A client that cannot tell its own tokens from others' begins no such login.
func TestImplicitNeedsProof(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	if w := b.do(s.web.StartImplicit, "GET", "/login", nil); w.Code != 502 || b.flows() != 0 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
