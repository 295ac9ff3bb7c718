package authserver_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// The secrets of the tests. None of them may ever be logged, and each is easy to find.
const (
	secret   = "canary-client-secret"
	password = "canary-password"
)

func users(_ context.Context, username, given string) (string, error) {
	switch {
	case username == "broken":
		return "", errors.New("directory is down, password was " + given)
	case username == "ldap" && given == "": // some directories take this for an anonymous success
		return "user-3", nil
	case username == "subjectless":
		return "", nil
	case username == "alice@example.org" && given == password:
		return "user-1", nil
	case username == "bob" && given == password:
		return "user-2", nil
	}
	return "", store.ErrNotFound
}

// service is a Server mounted for tests.
type service struct {
	*authserver.Server
	t      *testing.T
	mux    *http.ServeMux
	tokens *slowStore
	logs   *safeBuffer
}

// setup changes what newService makes before it is made.
type setup struct {
	clients []authserver.Client
	options authserver.Options
	delay   time.Duration
	views   bool // the store is memstore itself, which shows records without copies
}

func newService(t *testing.T, change func(*setup)) *service {
	t.Helper()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	svc := &service{t: t, mux: http.NewServeMux(), logs: &safeBuffer{}}
	set := &setup{clients: plainClients(), options: authserver.Options{
		Issuer: "https://as.example",
		Now:    func() time.Time { return time.Now().Add(999) }, // finer than a database keeps
		Logger: slog.New(slog.NewTextHandler(svc.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}}
	if change != nil {
		change(set)
	}
	svc.tokens = &slowStore{Store: tokens, delay: set.delay}
	used := store.TokenStore(svc.tokens)
	if set.views {
		used = tokens
	}
	if svc.Server, err = authserver.New(used, users, set.clients, &set.options); err != nil {
		t.Fatal(err)
	}
	svc.mux.Handle("/token", svc.Token())
	svc.mux.Handle("/token/", svc.Token())
	svc.mux.Handle("/authorize", svc.Authorize())
	svc.mux.Handle("/revoke", svc.Revoke())
	svc.mux.Handle("/introspect", svc.Introspect())
	svc.mux.Handle("/userinfo", svc.UserInfo())
	return svc
}

var allGrants = []string{"authorization_code", "refresh_token", "password", "client_credentials"}

func plainClients() []authserver.Client {
	return []authserver.Client{
		{
			ID: "web", Secret: secret, Name: "The <Web> App", Grants: allGrants, Scopes: []string{"read", "write"},
			RedirectURIs: []string{"https://app.example/callback", "https://app.example/other?x=1"},
		},
		{ID: "other", Secret: "other-" + secret, Grants: allGrants, Scopes: []string{"read"}, RedirectURIs: []string{"https://other.example/cb"}},
		{
			ID: "spa", Grants: []string{"authorization_code", "refresh_token", "password"}, Scopes: []string{"read"},
			RedirectURIs: []string{"http://127.0.0.1/cb"}, Native: true,
		},
		{ID: "login-only", Secret: secret, Grants: []string{"password"}, Scopes: []string{"read"}},
		{ID: "api", Secret: secret, Grants: []string{"client_credentials"}, ResourceServer: true},
	}
}

// reply is a recorded answer.
type reply struct {
	*http.Response
	body string
	json map[string]any
}

func (s *service) do(r *http.Request) *reply {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	got := &reply{Response: res, body: string(body)}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, &got.json); err != nil {
			s.t.Fatalf("answer is no JSON: %v: %s", err, body)
		}
	}
	return got
}

// post sends a form as the client "web" does, by Basic.
func (s *service) post(path string, pairs ...string) *reply {
	s.t.Helper()
	return s.postAs("web", secret, path, pairs...)
}

// postAs sends a form by Basic; with an empty id without.
func (s *service) postAs(id, secret, path string, pairs ...string) *reply {
	s.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(form(pairs...)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		r.SetBasicAuth(id, secret)
	}
	return s.do(r)
}

func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

// login gets a pair for alice.
func (s *service) login(pairs ...string) (access, refresh string) {
	s.t.Helper()
	got := s.post("/token", append([]string{"grant_type", "password", "username", "alice@example.org", "password", password}, pairs...)...)
	got.want(s.t, 200, "")
	access, _ = got.json["access_token"].(string)
	refresh, _ = got.json["refresh_token"].(string)
	return access, refresh
}

func (s *service) refresh(token string, pairs ...string) *reply {
	s.t.Helper()
	return s.post("/token", append([]string{"grant_type", "refresh_token", "refresh_token", token}, pairs...)...)
}

// valid reports whether the server verifies an access token.
func (s *service) valid(access string) bool {
	s.t.Helper()
	_, err := s.Verify(s.t.Context(), access)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.t.Fatal(err)
	}
	return err == nil
}

var hidden = regexp.MustCompile(`name="request" value="([^"]+)"`)

// page opens the authorize page and returns what it carries.
func (s *service) page(query string) (carried string, got *reply) {
	s.t.Helper()
	got = s.do(httptest.NewRequest("GET", "/authorize?"+query, nil))
	if m := hidden.FindStringSubmatch(got.body); m != nil {
		carried = html.UnescapeString(m[1])
	}
	return carried, got
}

// answer answers the authorize page.
func (s *service) answer(pairs ...string) *reply {
	s.t.Helper()
	r := httptest.NewRequest("POST", "/authorize?ignored=1", strings.NewReader(form(pairs...)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.do(r)
}

// allow walks through the page as alice and returns what the client is told.
func (s *service) allow(query string) url.Values {
	s.t.Helper()
	carried, page := s.page(query)
	if carried == "" {
		s.t.Fatalf("no page: %d %s", page.StatusCode, page.body)
	}
	got := s.answer("request", carried, "decision", "allow", "username", "alice@example.org", "password", password)
	if got.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("status %d, want 303: %s", got.StatusCode, got.body)
	}
	return location(s.t, got)
}

func location(t *testing.T, got *reply) url.Values {
	t.Helper()
	to, err := url.Parse(got.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return to.Query()
}

// want checks status and error code, and what every answer of a token endpoint has.
func (got *reply) want(t *testing.T, status int, code string) {
	t.Helper()
	gotCode, _ := got.json["error"].(string)
	if got.StatusCode != status || gotCode != code {
		t.Errorf("answer %d %q, want %d %q: %s", got.StatusCode, gotCode, status, code, got.body)
	}
	if got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Pragma") != "no-cache" {
		t.Errorf("the answer may be cached: %v", got.Header)
	}
	if got.StatusCode == http.StatusUnauthorized != (got.Header.Get("WWW-Authenticate") != "") {
		t.Errorf("status %d with challenge %q", got.StatusCode, got.Header.Get("WWW-Authenticate"))
	}
}

// slowStore is a store some way off, which can also be down.
type slowStore struct {
	*memstore.Store
	delay time.Duration

	mu     sync.Mutex
	calls  int
	failAt int  // the call that fails, counted from 1; 0: none
	onward bool // so do all that follow
	after  bool // it fails after it has had its effect
	first  func()
}

var errDown = errors.New("engine is down")

// on counts a call and tells whether it fails before or after its effect.
func (s *slowStore) on() (before, after error) {
	time.Sleep(s.delay) // in a synctest bubble
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	switch {
	case s.calls != s.failAt && (!s.onward || s.failAt == 0 || s.calls < s.failAt):
		return nil, nil
	case s.after:
		return nil, errDown
	default:
		return errDown, nil
	}
}

// failNext makes the nth call from now on fail; it returns how many calls there were since it was last called.
func (s *slowStore) failNext(n int, after bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls, s.failAt, s.onward, s.after = 0, n, false, after
	return calls
}

// failFrom makes the nth call from now on fail after its effect, and all that follow.
func (s *slowStore) failFrom(n int) {
	s.failNext(n, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onward = true
}

func (s *slowStore) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	before, after := s.on()
	if err := cmp.Or(before, after); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, h)
}

// onPut has do done before the next Put has its effect.
func (s *slowStore) onPut(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = do
}

func (s *slowStore) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	s.mu.Lock()
	do := s.first
	s.first = nil
	s.mu.Unlock()
	if do != nil {
		do()
	}
	before, after := s.on()
	if before != nil {
		return nil, before
	}
	rec = rec.Clone() // to the microsecond, as databases do
	rec.Expires, rec.Token.Expiry = rec.Expires.Truncate(time.Microsecond), rec.Token.Expiry.Truncate(time.Microsecond)
	stored, err := s.Store.Put(ctx, h, rec)
	if err == nil && after != nil {
		return nil, after
	}
	return stored, err
}

func (s *slowStore) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	before, after := s.on()
	if before != nil {
		return before
	}
	return cmp.Or(s.Store.Delete(ctx, h, v), after)
}

type safeBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// jsonClient sends JSON to the same path as the others send forms to.
var jsonClient = authserver.Client{
	ID: "ushahidiui", Secret: secret, Grants: []string{"password", "refresh_token"}, Dialect: &authserver.Dialect{JSON: true},
}
