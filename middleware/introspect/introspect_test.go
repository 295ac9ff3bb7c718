package introspect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/introspect"
	"github.com/tokenkeep/tokenkeep/store"
)

// server is an authorization server as a transport: what it says of each token, after how long.
type server struct {
	mu     sync.Mutex
	says   map[string]string
	status int
	header http.Header
	delay  time.Duration
	asked  int
}

func (s *server) set(token, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says[token] = answer
}

func (s *server) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.asked++
	answer, ok := s.says[form.Get("token")]
	status, delay, header := s.status, s.delay, s.header
	s.mu.Unlock()
	if !ok {
		answer = `{"active":false}`
	}
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (s *server) client() *http.Client { return &http.Client{Transport: s} }

const alice = `{"active":true,"sub":"alice","scope":"read write","client_id":"cli","token_type":"Bearer"}`

func newServer() *server {
	return &server{says: map[string]string{"alice-token": alice}, status: 200, header: http.Header{}}
}

func newVerifier(t testing.TB, s *server, o *introspect.Options) *introspect.Verifier {
	t.Helper()
	v, err := introspect.New(&grants.Client{
		Provider: "id", Issuer: "https://id.example", IntrospectURL: "https://id.example/introspect", ID: "api", Secret: "client-secret",
		HTTP: s.client(),
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const long = 10_000_000_000 // 2286
	tests := []struct {
		name, answer string
		audience     string
		good         bool
	}{
		{"active", alice, "", true},
		{"inactive", `{"active":false,"sub":"alice"}`, "", false},
		{"a string is not true", `{"active":"true","sub":"alice"}`, "", false},
		{"one is not true", `{"active":1,"sub":"alice"}`, "", false},
		{"no word of it", `{"sub":"alice"}`, "", false},
		{"not expired", fmt.Sprintf(`{"active":true,"exp":%d}`, long), "", true},
		{"expired", `{"active":true,"exp":1}`, "", false},
		{"valid already", `{"active":true,"nbf":1}`, "", true},
		{"not valid yet", fmt.Sprintf(`{"active":true,"nbf":%d}`, long), "", false},
		{"its issuer", `{"active":true,"iss":"https://id.example"}`, "", true},
		{"another issuer", `{"active":true,"iss":"https://id.example/"}`, "", false},
		{"its audience", `{"active":true,"aud":"https://api.example"}`, "https://api.example", true},
		{"one of several audiences", `{"active":true,"aud":["x","https://api.example"]}`, "https://api.example", true},
		{"another audience", `{"active":true,"aud":["https://api.example/"]}`, "https://api.example", false},
		{"prefix of the audience", `{"active":true,"aud":"https://api"}`, "https://api.example", false},
		{"no audience", `{"active":true}`, "https://api.example", false},
		{"empty audience", `{"active":true,"aud":[]}`, "https://api.example", false},
		{"any audience", `{"active":true,"aud":"x"}`, "", true},
		{"bound to a key", `{"active":true,"cnf":{"jkt":"x"}}`, "", false},
		{"bound to nothing", `{"active":true,"cnf":null}`, "", true},
		{"a DPoP token", `{"active":true,"token_type":"DPoP"}`, "", false},
		{"bearer in small letters", `{"active":true,"token_type":"bearer"}`, "", true},
		{"an access token by name", `{"active":true,"token_type":"access_token","token_use":"access_token"}`, "", true},
		{"a refresh token by type", `{"active":true,"token_type":"refresh_token"}`, "", false},
		{"a refresh token by use", `{"active":true,"token_type":"Bearer","token_use":"refresh_token"}`, "", false},
		{"a refresh token by typ", `{"active":true,"typ":"Refresh"}`, "", false},
		{"an offline token", `{"active":true,"typ":"Offline"}`, "", false},
		{"an ID token", `{"active":true,"typ":"ID"}`, "", false},
		{"another typ", `{"active":true,"typ":"Bearer"}`, "", true},
		{"a strange typ", `{"active":true,"typ":7}`, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, o := newServer(), &introspect.Options{}
			s.set("t", tt.answer)
			if tt.audience != "" {
				o.Audience = []string{"other", tt.audience}
			}
			v := newVerifier(t, s, o)
			for range 2 { // asked, and remembered
				rec, err := v.Verify(t.Context(), "t")
				if (err == nil) != tt.good || (rec != nil) != tt.good || err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%v, %v", rec, err)
				}
			}
		})
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	s := newServer()
	s.set("t", `{"active":true,"sub":"alice","scope":"read write","client_id":"cli","token_type":"Bearer","exp":10000000000,"jti":"t-1"}`)
	v := newVerifier(t, s, nil)
	var first *store.Record
	for range 2 {
		rec, err := v.Verify(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = rec
		}
		if rec != first {
			t.Error("another record for the same token")
		}
		if rec.ID != "t-1" || rec.Subject != "alice" || rec.Provider != "id" || fmt.Sprint(rec.Token.Scopes) != "[read write]" ||
			rec.Token.Expiry.Unix() != 1e10 || !strings.HasPrefix(string(rec.Token.Extra), `{"active":true,"sub":"alice"`) || rec.Token.AccessToken != "" {
			t.Errorf("%+v %s", *rec, rec.Token.Extra)
		}
	}
}

// The answers are kept for Life or until the token expires, whichever is first, and judged on every use.
func TestLife(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		life  time.Duration
		exp   time.Duration // from now; 0: not told
		after time.Duration
		asked int // in all, with a first use at once and a second one after
	}{
		{"within the default", 0, 0, 5*time.Second - 1, 1},
		{"after the default", 0, 0, 5 * time.Second, 2},
		{"within", time.Minute, time.Hour, time.Minute - 1, 1},
		{"after", time.Minute, time.Hour, time.Minute, 2},
		{"the token expires first", time.Minute, 10 * time.Second, 10 * time.Second, 2},
		{"the token has not expired", time.Minute, 10 * time.Second, 9 * time.Second, 1},
		{"off", -1, time.Hour, 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				answer := alice
				if tt.exp > 0 {
					answer = fmt.Sprintf(`{"active":true,"sub":"alice","exp":%d}`, time.Now().Add(tt.exp).Unix())
				}
				s.set("t", answer)
				v := newVerifier(t, s, &introspect.Options{Life: tt.life})
				for _, wait := range []time.Duration{0, tt.after} {
					time.Sleep(wait)
					if _, err := v.Verify(t.Context(), "t"); err != nil {
						t.Error(err)
					}
				}
				if n := s.times(); n != tt.asked {
					t.Errorf("asked %d times, want %d", n, tt.asked)
				}
			})
		})
	}
}

func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		v := newVerifier(t, s, &introspect.Options{Life: -1})
		for member, offsets := range map[string]map[time.Duration]bool{
			"exp": {-31 * time.Second: false, -29 * time.Second: true}, "nbf": {29 * time.Second: true, 31 * time.Second: false},
		} {
			for offset, good := range offsets {
				s.set("t", fmt.Sprintf(`{"active":true,%q:%d}`, member, time.Now().Add(offset).Unix()))
				if _, err := v.Verify(t.Context(), "t"); (err == nil) != good {
					t.Errorf("%s %v off: %v", member, offset, err)
				}
			}
		}
	})
}

// Nothing of a token that is not active is kept, nor of an outage: the next answer counts.
func TestWhatIsNotKept(t *testing.T) {
	t.Parallel()
	s := newServer()
	v := newVerifier(t, s, nil)
	verify := func(want error) {
		t.Helper()
		_, err := v.Verify(t.Context(), "t")
		if (err == nil) != (want == nil) || want != nil && errors.Is(err, store.ErrNotFound) != errors.Is(want, store.ErrNotFound) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	verify(store.ErrNotFound)
	s.status = 0
	verify(errors.New("down"))
	s.status = 401
	verify(errors.New("credentials"))
	s.status = 200
	s.set("t", alice)
	verify(nil)
	s.set("t", `{"active":false}`)
	verify(nil) // for Life
	v.Forget("t")
	verify(store.ErrNotFound)
	if n := s.times(); n != 5 {
		t.Errorf("asked %d times", n)
	}
}

// Scopes are compared on every request, whatever is kept.
func TestScopesAreDecidedEachTime(t *testing.T) {
	t.Parallel()
	s := newServer()
	guard, err := middleware.New(newVerifier(t, s, nil), middleware.Self, nil)
	if err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[string]int{"read": 200, "write": 200, "admin": 403, "rea": 403} {
		if w := call(guard, scope, "alice-token"); w.Code != want {
			t.Errorf("%s: %d", scope, w.Code)
		}
	}
	if n := s.times(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func call[U any](guard *middleware.Guard[U], scope, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	guard.Require(scope)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	return w
}

func TestBound(t *testing.T) {
	t.Parallel()
	s := newServer()
	for i := range 20 {
		s.set(fmt.Sprint(i), alice)
	}
	v := newVerifier(t, s, &introspect.Options{MaxTokens: 4})
	for i := range 20 {
		v.Verify(t.Context(), fmt.Sprint(i))
	}
	for _, token := range []string{"19", "0"} {
		v.Verify(t.Context(), token)
	}
	if n := s.times(); n != 21 {
		t.Errorf("asked %d times, want 20 and once more for the first", n)
	}
}

// Whatever way it is printed, a verifier shows neither the client's secret nor a token.
func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, newServer(), nil)
	if _, err := v.Verify(t.Context(), "alice-token"); err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("x", "pointer", v, "value", *v)
	text := fmt.Sprintf("%v %+v %#v %s %q %x %v %+v %#v %s %q %x %s", v, v, v, v, v, v, *v, *v, *v, *v, *v, *v, &logs)
	for _, secret := range []string{"alice", "client-secret"} {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s shows: %s", secret, text)
		}
	}
}

// A client that only asks about tokens has a name in records and errors all the same.
func TestProviderWithoutName(t *testing.T) {
	t.Parallel()
	s := newServer()
	v, err := introspect.New(&grants.Client{IntrospectURL: "https://id.example/introspect", ID: "api", Secret: "client-secret", HTTP: s.client()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := v.Verify(t.Context(), "alice-token"); err != nil || rec.Provider != "https://id.example/introspect" {
		t.Errorf("%v, %v", rec, err)
	}
	s.status = 500
	if _, err := v.Verify(t.Context(), "another"); err == nil || !strings.Contains(err.Error(), "at https://id.example/introspect") {
		t.Error(err)
	}
}

func TestTwoVerifiersShareNothing(t *testing.T) {
	t.Parallel()
	one, two := newServer(), newServer()
	two.set("alice-token", `{"active":true,"sub":"another alice"}`)
	first, second := newVerifier(t, one, nil), newVerifier(t, two, nil)
	a, errA := first.Verify(t.Context(), "alice-token")
	b, errB := second.Verify(t.Context(), "alice-token")
	if errA != nil || errB != nil || a.Subject != "alice" || b.Subject != "another alice" {
		t.Errorf("%v %v, %v %v", a, errA, b, errB)
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := introspect.New(&grants.Client{}, &introspect.Options{Audience: []string{""}, MaxTokens: -1})
	for _, part := range []string{"IntrospectURL", "Audience", "MaxTokens"} {
		if err == nil || !strings.Contains(err.Error(), "introspect: ") || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not reported: %v", part, err)
		}
	}
	if _, err := introspect.New(nil, nil); err == nil {
		t.Error("no client")
	}
}
