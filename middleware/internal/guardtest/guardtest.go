// Package guardtest runs testdata/bearer_requests.json against a mounted guard, so that every adapter is held to the
// same table.
package guardtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// User is the user type of the guards under test.
type User struct{ ID string }

// Guard is the guard under test.
type Guard = middleware.Guard[*User]

// Case is one request of the table.
type Case struct {
	Name, Method, URL, Body string
	Headers                 [][2]json.RawMessage
	Config                  struct {
		Scopes   []string `json:"require_scopes"`
		Query    bool     `json:"allow_query"`
		Form     bool     `json:"allow_form"`
		Optional bool
		Realm    string
	}
	Expect struct {
		Status    int
		AltStatus []int    `json:"alt_status"`
		AltError  []string `json:"alt_error"`
		Challenge map[string]string
		Called    bool              `json:"handler_called"`
		Optional  bool              `json:"challenge_optional"`
		Contains  map[string]string `json:"header_contains"`
	}
}

// Mount puts the guard in front of next as c.Config asks, and recovers panics with a 500.
type Mount func(c *Case, guard *Guard, next http.HandlerFunc) http.Handler

// Run runs the whole table in file.
func Run(t *testing.T, file string, mount Mount) {
	data, err := os.ReadFile(file) //nolint:gosec // G304: a test names its own table
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Tokens map[string]json.RawMessage
		Cases  []*Case
	}
	if err := json.Unmarshal(data, &table); err != nil { //nolint:musttag // the table's names are the fields', in lower case
		t.Fatal(err)
	}
	if len(table.Cases) < 32 {
		t.Fatalf("only %d cases", len(table.Cases))
	}
	for _, c := range table.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.run(t, table.Tokens, mount)
		})
	}
}

func (c *Case) run(t *testing.T, tokens map[string]json.RawMessage, mount Mount) {
	var logs bytes.Buffer
	realm := c.Config.Realm
	if realm == "" {
		realm = "api"
	}
	guard, err := middleware.New(verifier(tokens), Resolve, &middleware.Options{
		Realm: realm, FormToken: c.Config.Form, InsecureQueryToken: c.Config.Query,
		Logger: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	called := false
	h := mount(c, guard, func(w http.ResponseWriter, r *http.Request) {
		called = true
		user, ok := guard.User(r.Context())
		if want := !c.Config.Optional; ok != want {
			t.Errorf("user known: %v, want %v", ok, want)
		}
		if ok && user.ID != "u1" {
			t.Errorf("user is %q", user.ID)
		}
		if c.Body != "" && r.FormValue("x") != "1" {
			t.Errorf("the handler could not read the form: %v", r.Form)
		}
	})
	r, secrets := c.request(t)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if called != c.Expect.Called {
		t.Errorf("handler called: %v, want %v", called, c.Expect.Called)
	}
	c.judge(t, w)
	if w.Code == http.StatusOK {
		return
	}
	if got := w.Header().Get("Cache-Control"); w.Code != 500 && got != "no-store" {
		t.Errorf("Cache-Control %q on a refusal", got)
	}
	for _, secret := range secrets {
		if strings.Contains(w.Body.String()+logs.String()+fmt.Sprint(w.Header()), secret) {
			t.Errorf("the token shows in the answer or in the log:\n%s\n%s", w.Body, &logs)
		}
	}
}

func (c *Case) request(t *testing.T) (r *http.Request, secrets []string) {
	r = httptest.NewRequest(c.Method, c.URL, strings.NewReader(c.Body))
	for _, kv := range c.Headers {
		var name, value string
		if err := json.Unmarshal(kv[0], &name); err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(kv[1], &value) != nil {
			var gen struct {
				Repeat, Prefix string
				Count          int
			}
			if err := json.Unmarshal(kv[1], &gen); err != nil { //nolint:musttag // the table's names are the fields', in lower case
				t.Fatal(err)
			}
			value = gen.Prefix + strings.Repeat(gen.Repeat, gen.Count)
		}
		r.Header.Add(name, value)
		if _, token, ok := strings.Cut(value, " "); ok && len(token) > 5 {
			secrets = append(secrets, token)
		}
	}
	return r, secrets
}

func (c *Case) judge(t *testing.T, w *httptest.ResponseRecorder) {
	want := c.Expect
	alternative := slices.Contains(want.AltStatus, w.Code)
	if w.Code != want.Status && !alternative {
		t.Errorf("status %d, want %d", w.Code, want.Status)
	}
	for name, part := range want.Contains {
		if !strings.Contains(w.Header().Get(name), part) {
			t.Errorf("%s is %q", name, w.Header().Get(name))
		}
	}
	got := Challenge(t, w.Header())
	var body map[string]string
	if w.Code != http.StatusOK && w.Code != http.StatusInternalServerError {
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("the body is not JSON: %q", w.Body)
		}
	}
	if want.Challenge == nil {
		if got != nil && !want.Optional {
			t.Errorf("challenge %v", got)
		}
		return
	}
	if got["error"] != body["error"] || got["error_description"] != body["error_description"] {
		t.Errorf("body %v differs from challenge %v", body, got)
	}
	if want.Challenge["error"] == "" && got["error_description"] != "" {
		t.Errorf("a description without an error: %v", got)
	}
	delete(got, "error_description")
	if alternative && slices.Contains(want.AltError, got["error"]) {
		want.Challenge["error"] = got["error"]
	}
	if fmt.Sprint(got) != fmt.Sprint(want.Challenge) {
		t.Errorf("challenge %v, want %v", got, want.Challenge)
	}
}

// Challenge parses the one WWW-Authenticate line; nil if there is none.
func Challenge(t *testing.T, h http.Header) map[string]string {
	lines := h.Values("WWW-Authenticate")
	if len(lines) == 0 {
		return nil
	}
	if len(lines) > 1 {
		t.Errorf("%d challenges", len(lines))
	}
	scheme, rest, _ := strings.Cut(lines[0], " ")
	params := map[string]string{"scheme": scheme}
	for rest != "" {
		name, value, ok := strings.Cut(rest, `="`)
		if !ok || params[name] != "" {
			t.Fatalf("challenge %q", lines[0])
		}
		var text strings.Builder
		i := 0
		for ; i < len(value) && value[i] != '"'; i++ {
			if value[i] == '\\' {
				i++
			}
			text.WriteByte(value[i])
		}
		params[name] = text.String()
		rest = strings.TrimPrefix(value[i+1:], ", ")
	}
	return params
}

func verifier(tokens map[string]json.RawMessage) middleware.Verifier {
	return middleware.VerifierFunc(func(_ context.Context, credential string) (*store.Record, error) {
		var state string
		var grant struct{ User, Scope string }
		switch raw, ok := tokens[credential]; {
		case !ok:
			return nil, store.ErrNotFound
		case json.Unmarshal(raw, &grant) == nil: //nolint:musttag // as above
		case json.Unmarshal(raw, &state) != nil:
			return nil, fmt.Errorf("unreadable table: %s", raw)
		case strings.HasPrefix(state, "valid token, "):
			grant.User = credential // the resolver knows these
		case state == "validator error":
			return nil, errors.New("validator: connection refused")
		default:
			return nil, fmt.Errorf("validator: %s: %w", state, store.ErrNotFound)
		}
		return &store.Record{Subject: grant.User, Token: store.Token{Scopes: strings.Fields(grant.Scope)}}, nil
	})
}

// Resolve maps the subjects of the table to users and faults.
func Resolve(_ context.Context, rec *store.Record) (*User, error) {
	switch rec.Subject {
	case "ghost-user":
		return nil, store.ErrNotFound
	case "disabled-user":
		return nil, middleware.ErrForbidden
	case "user-backend-down":
		return nil, errors.New("users: connection refused")
	case "nil-user":
		return nil, nil
	case "panic-user":
		panic("users: broken") //nolint:forbidigo // the fault under test
	}
	return &User{ID: rec.Subject}, nil
}

// Recover answers a panic with a 500.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
