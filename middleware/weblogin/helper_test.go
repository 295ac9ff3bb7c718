package weblogin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// provider is an authorization server without a network: what its endpoints were asked, and what they answer.
type provider struct {
	mu      sync.Mutex
	asked   []url.Values // of the token endpoint
	revoke  int
	inspect string // what the introspection endpoint says
	idToken func() string
	answer  func(form url.Values) (status int, body string, err error)
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.Path == "/revoke" {
		p.revoke++
		return reply(r, 200, "{}"), nil
	}
	if r.URL.Path == "/introspect" {
		return reply(r, 200, p.inspect), nil
	}
	p.asked = append(p.asked, form)
	if p.answer != nil {
		status, body, err := p.answer(form)
		if err != nil {
			return nil, err
		}
		return reply(r, status, body), nil
	}
	id := ""
	if p.idToken != nil {
		id = `,"id_token":"` + p.idToken() + `"`
	}
	return reply(r, 200, `{"access_token":"at-secret","token_type":"Bearer","refresh_token":"rt-secret","expires_in":3600`+id+`}`), nil
}

func reply(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1,
	}
}

// site is an application that signs its users in with weblogin.
type site struct {
	*testing.T
	provider *provider
	client   *grants.Client
	session  *middleware.Session
	keep     *keeper.Keeper
	web      *weblogin.Login
	logs     *bytes.Buffer
	idClaims map[string]any // of the next ID token
	identify func(context.Context, *store.Record) error
}

type config struct {
	o       weblogin.Options
	tokens  store.TokenStore
	session middleware.Session
	client  func(*grants.Client) // changes it
	byID    bool                 // no identify
}

func newSite(t *testing.T, c *config) *site {
	t.Helper()
	if c == nil {
		c = &config{}
	}
	s := &site{T: t, provider: &provider{}, logs: &bytes.Buffer{}}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ring, err := seal.New(seal.NewKey())
	must(err)
	if c.tokens == nil {
		c.tokens, err = memstore.New(nil)
		must(err)
	}
	s.client = &grants.Client{
		Provider: "as", Issuer: "https://as.example", AuthorizeURL: "https://as.example/authorize", TokenURL: "https://as.example/token",
		RevokeURL: "https://as.example/revoke", ID: "client", Secret: "client-secret", RedirectURI: "https://app.example/callback",
		HTTP: &http.Client{Transport: s.provider},
	}
	if c.client != nil {
		c.client(s.client)
	}
	s.keep, err = keeper.New(c.tokens, s.client, nil)
	must(err)
	t.Cleanup(func() { s.keep.Close(context.Background()) })
	s.session = &c.session
	s.session.Keeper, s.session.Ring = s.keep, ring
	s.identify = func(_ context.Context, rec *store.Record) error {
		rec.Subject = "alice"
		return nil
	}
	if c.o.Logger == nil {
		c.o.Logger = slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	identify := func(ctx context.Context, rec *store.Record) error { return s.identify(ctx, rec) }
	if c.byID {
		identify = nil
	}
	s.web, err = weblogin.New(s.client, s.session, identify, &c.o)
	must(err)
	return s
}

// browser keeps cookies as RFC 6265bis tells it to, as far as it concerns us.
type browser struct {
	*site
	names  []string
	values map[string]string
	nonce  string // of the last start
}

func (s *site) browser() *browser { return &browser{site: s, values: map[string]string{}} }

func (b *browser) header() string {
	var pairs []string
	for _, name := range b.names {
		pairs = append(pairs, name+"="+b.values[name])
	}
	return strings.Join(pairs, "; ")
}

func (b *browser) set(name, value string) {
	if _, ok := b.values[name]; !ok {
		b.names = append(b.names, name)
	}
	b.values[name] = value
}

func (b *browser) drop(name string) {
	delete(b.values, name)
	b.names = slices.DeleteFunc(b.names, func(n string) bool { return n == name })
}

// copied is another browser with the same cookies.
func (b *browser) copied() *browser {
	c := b.site.browser()
	for _, name := range b.names {
		c.set(name, b.values[name])
	}
	return c
}

func (b *browser) session() string { return b.values["__Host-session"] }

// do sends a request, checks what every answer must be like, and keeps its cookies.
func (b *browser) do(h http.Handler, method, target string, body url.Values, header ...string) *httptest.ResponseRecorder {
	b.Helper()
	var reader io.Reader
	if body != nil {
		reader = strings.NewReader(body.Encode())
	}
	r := httptest.NewRequestWithContext(b.Context(), method, "https://app.example"+target, reader)
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookies := b.header(); cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header(); got.Get("Cache-Control") != "no-store" || got.Get("Referrer-Policy") != "no-referrer" || got.Get("Vary") != "Cookie" {
		b.Errorf("%s %s: headers %v", method, target, got)
	}
	if w.Code >= 300 && w.Code < 400 && w.Code != http.StatusSeeOther {
		b.Errorf("%s %s: status %d", method, target, w.Code)
	}
	for _, c := range w.Result().Cookies() {
		isFlow := strings.HasPrefix(c.Name, "__Host-session-flow-")
		if !strings.HasPrefix(c.Name, "__Host-") || c.Path != "/" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" ||
			isFlow && c.MaxAge > 600 || len(c.Name)+len(c.Value) > 4096 {
			b.Errorf("Set-Cookie: %s", c.Raw)
		}
		if c.MaxAge < 0 {
			b.drop(c.Name)
			continue
		}
		b.set(c.Name, c.Value)
	}
	return w
}

// start begins a login and returns its state.
func (b *browser) start(target string) (state string) {
	b.Helper()
	w := b.do(b.web.Start, "GET", target, nil)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther || to.Host != "as.example" || to.Query().Get("state") == "" {
		b.Fatalf("start: %d %v %s", w.Code, w.Header(), w.Body)
	}
	b.nonce = to.Query().Get("nonce")
	return to.Query().Get("state")
}

func (b *browser) callback(query string) *httptest.ResponseRecorder {
	b.Helper()
	return b.do(b.web.Callback, "GET", "/callback?"+query, nil)
}

// user is who the browser's session belongs to, "" for nobody.
func (b *browser) user() string {
	b.Helper()
	r := httptest.NewRequest("GET", "https://app.example/", nil)
	r.Header.Set("Cookie", b.header())
	rec, err := b.site.session.Verify(httptest.NewRecorder(), r)
	if err != nil {
		if errors.Is(err, middleware.ErrUnavailable) {
			b.Error(err)
		}
		return ""
	}
	return rec.Subject
}

func (b *browser) flows() (n int) {
	for name := range b.values {
		if strings.Contains(name, "-flow-") {
			n++
		}
	}
	return n
}
