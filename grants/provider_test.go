package grants_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
)

// seen is one request as it arrived.
type seen struct {
	Method string
	URI    string // as on the wire
	Header http.Header
	Body   string
}

func (s seen) form(t *testing.T) url.Values {
	t.Helper()
	v, err := url.ParseQuery(s.Body)
	if err != nil {
		t.Fatalf("body %q is no form: %v", s.Body, err)
	}
	return v
}

func (s seen) object(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(s.Body), &m); err != nil {
		t.Fatalf("body %q is no object: %v", s.Body, err)
	}
	return m
}

// script is a provider that answers by a function and remembers what it saw.
type script struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []seen
	answer http.HandlerFunc
}

func scripted(t *testing.T, answer http.HandlerFunc) *script {
	t.Helper()
	s := &script{answer: answer}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// answering is a provider that always gives the same JSON answer.
func answering(t *testing.T, status int, body string) *script {
	t.Helper()
	return scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, seen{r.Method, r.RequestURI, r.Header, string(b)})
	s.mu.Unlock()
	s.answer(w, r)
}

func (s *script) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.seen...)
}

// only returns the one request there was.
func (s *script) only(t *testing.T) seen {
	t.Helper()
	all := s.requests()
	if len(all) != 1 {
		t.Fatalf("%d requests, want 1", len(all))
	}
	return all[0]
}

// echoing is a provider that refuses and says back what the form's parameter was.
func echoing(t *testing.T, name string) *script {
	t.Helper()
	var s *script
	s = scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		all := s.requests()
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{
			"error": "invalid_client", "error_description": "given: " + all[len(all)-1].form(t).Get(name),
		})
	})
	return s
}

// client is a plain client of this provider.
func (s *script) client() *grants.Client {
	return &grants.Client{
		Provider: "scripted", AuthorizeURL: s.URL + "/authorize", TokenURL: s.URL + "/token", RevokeURL: s.URL + "/revoke",
		UserInfoURL: s.URL + "/userinfo", ID: "id", Secret: "the-client-secret", RedirectURI: "https://app.example/callback",
		HTTP: s.Server.Client(), Now: fixed,
	}
}

// t0 is the time in tests that compare instants.
var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func fixed() time.Time { return t0 }

func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

const okBody = `{"access_token":"AT","token_type":"Bearer","expires_in":3600,"refresh_token":"RT","scope":"read write"}`

// discard is a logger for tests in which something is meant to go wrong.
var discard = slog.New(slog.DiscardHandler)

// quiet swallows what httptest says about handshakes that are meant to fail.
var quiet = log.New(io.Discard, "", 0)

// redirecting is a provider that sends everything to the same path, permanently.
func redirecting(t *testing.T, path string) *script {
	t.Helper()
	return scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", path)
		w.WriteHeader(http.StatusMovedPermanently)
	})
}

func decode(t *testing.T, segment string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Error(err)
	}
	return b
}
