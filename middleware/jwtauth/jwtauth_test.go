package jwtauth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
	"github.com/tokenkeep/tokenkeep/store"
)

const issuer, audience = "https://issuer.example/tenants/5f1c7d0e-8a0a-4a2c-9d4e-5a2f6e0d8b11/v2.0", "https://api.example"

func newSigner(tb testing.TB, kid string) *jose.Signer {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := jose.NewSigner("EdDSA", kid, key)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func rules(s *jose.Signer) *jose.Verifier {
	return &jose.Verifier{
		Keys: jose.KeySet{s.Key()}, Algorithms: []string{s.Key().Algorithm}, Issuer: issuer, Audience: []string{audience},
	}
}

func newVerifier(tb testing.TB, v *jose.Verifier, o *jwtauth.Options) *jwtauth.Verifier {
	tb.Helper()
	w, err := jwtauth.New(v, o)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// mint makes a token of a usual size; members of but replace others, nil takes one away.
func mint(tb testing.TB, s *jose.Signer, but map[string]any) string {
	tb.Helper()
	return mintTyped(tb, s, "at+jwt", but)
}

func mintTyped(tb testing.TB, s *jose.Signer, typ string, but map[string]any) string {
	tb.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": issuer, "aud": audience, "sub": "42", "exp": now + 3600, "iat": now, "nbf": now, "jti": "0f0e9b32-9f53-4f4e-a0c0-6a1d2e0f7c11",
		"client_id": "web", "scope": "read write profile", "email": "alice@example.com", "auth_time": now,
	}
	maps.Copy(claims, but)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	header := map[string]any{"typ": typ}
	if typ == "" {
		header = nil
	}
	token, err := s.Sign(header, claims)
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// status is what a guard with these rules answers.
func status(t *testing.T, v middleware.Verifier, token string, scopes ...string) int {
	t.Helper()
	guard, err := middleware.New(v, middleware.Self, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	guard.Require(scopes...)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, request(token))
	if bad := w.Header().Get("WWW-Authenticate"); (w.Code == 401) != strings.Contains(bad, `error="invalid_token"`) {
		t.Errorf("status %d with challenge %q", w.Code, bad)
	}
	return w.Code
}

func TestRecord(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "a")
	expiry := time.Now().Add(time.Hour).Truncate(time.Second)
	for _, test := range []struct {
		name   string
		but    map[string]any
		scopes string
	}{
		{"scope", nil, "[read write profile]"},
		{"scope list", map[string]any{"scope": []string{"read", "write"}}, "[read write]"},
		{"scp", map[string]any{"scope": nil, "scp": "read  write"}, "[read write]"},
		{"scp list", map[string]any{"scope": nil, "scp": []string{"read"}}, "[read]"},
		{"scope before scp", map[string]any{"scp": "admin"}, "[read write profile]"},
		{"scope empty before scp", map[string]any{"scope": "", "scp": "admin"}, "[]"},
		{"no scope", map[string]any{"scope": nil}, "[]"},
		{"scope null before scp", map[string]any{"scope": json.RawMessage("null"), "scp": "admin"}, "[]"},
		{"scope list, empty, before scp", map[string]any{"scope": []string{}, "scp": "admin"}, "[]"},
		{"scope of spaces", map[string]any{"scope": "  ", "scp": "admin"}, "[]"},
		{"case", map[string]any{"scope": "Read"}, "[Read]"},
		{"many", map[string]any{"scope": strings.Repeat("s ", 40)}, "[" + strings.TrimSpace(strings.Repeat("s ", 40)) + "]"},
		{"large", map[string]any{"x": strings.Repeat("x", 2000)}, "[read write profile]"},
		{"not remembered", map[string]any{"x": strings.Repeat("x", 4000)}, "[read write profile]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, rules(s), nil)
			but := map[string]any{"exp": expiry.Unix()}
			maps.Copy(but, test.but)
			token := mint(t, s, but)
			for range 2 { // verified, and remembered
				rec, err := v.Verify(t.Context(), token)
				if err != nil {
					t.Fatal(err)
				}
				if rec.Subject != "42" || rec.Provider != issuer || rec.ID != "0f0e9b32-9f53-4f4e-a0c0-6a1d2e0f7c11" || !rec.Token.Expiry.Equal(expiry) ||
					rec.Token.TokenType != "Bearer" || rec.Token.AccessToken != "" || !rec.Expires.IsZero() {
					t.Errorf("%+v", *rec)
				}
				if got := fmt.Sprint(rec.Token.Scopes); got != test.scopes {
					t.Errorf("scopes %s, want %s", got, test.scopes)
				}
				if !strings.Contains(string(rec.Token.Extra), `"email":"alice@example.com"`) {
					t.Errorf("extra %s", rec.Token.Extra)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s, other := newSigner(t, "a"), newSigner(t, "a")
	now := time.Now().Unix()
	good := mint(t, s, nil)
	for name, token := range map[string]string{
		"JWT": mintTyped(t, s, "JWT", nil), "no typ": mintTyped(t, s, "", nil), "DPoP proof": mintTyped(t, s, "dpop+jwt", nil),
		"logout token": mintTyped(t, s, "logout+jwt", nil), "other key": mint(t, other, nil),
		"expired": mint(t, s, map[string]any{"exp": now - 61}), "early": mint(t, s, map[string]any{"nbf": now + 70}),
		"no exp": mint(t, s, map[string]any{"exp": nil}), "no sub": mint(t, s, map[string]any{"sub": nil}), "empty sub": mint(t, s, map[string]any{"sub": ""}),
		"no client_id": mint(t, s, map[string]any{"client_id": nil}), "no iat": mint(t, s, map[string]any{"iat": nil}), "no jti": mint(t, s, map[string]any{"jti": nil}),
		"other issuer": mint(t, s, map[string]any{"iss": "https://evil.example"}), "other audience": mint(t, s, map[string]any{"aud": "web"}),
		"bound": mint(t, s, map[string]any{"cnf": map[string]string{"jkt": "x"}}), "bound to nothing": mint(t, s, map[string]any{"cnf": map[string]string{}}),
		"scope number": mint(t, s, map[string]any{"scope": 1}), "scope list of numbers": mint(t, s, map[string]any{"scope": []int{1}}),
		"cut": good[:len(good)-1], "opaque": "opaque", "dots": "..", "encrypted": good + ".a.b", "long": good + strings.Repeat("a", 8<<10),
	} {
		v := newVerifier(t, rules(s), nil)
		for range 2 {
			if rec, err := v.Verify(t.Context(), token); rec != nil || !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v, %v", name, rec, err)
			} else if strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), token) || !strings.HasPrefix(err.Error(), "jwtauth: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := status(t, v, token); got != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, got)
		}
	}
	v := newVerifier(t, rules(s), nil)
	if got := status(t, v, good, "read"); got != http.StatusOK {
		t.Errorf("good: status %d", got)
	}
	if got := status(t, v, good, "read", "Write"); got != http.StatusForbidden {
		t.Errorf("scope missing: status %d", got)
	}
	if got := status(t, v, mint(t, s, map[string]any{"cnf": []byte(nil)})); got != http.StatusOK {
		t.Errorf("cnf null: status %d", got)
	}
}

func TestOtherProfiles(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "")
	bare := map[string]any{"client_id": nil, "jti": nil, "iat": nil}
	plain := rules(s)
	plain.Types = []string{"JWT", ""}
	loose := rules(s)
	loose.Required = []string{}
	strict := rules(s)
	strict.Required = []string{"email_verified"}
	for _, test := range []struct {
		name  string
		rules *jose.Verifier
		token string
		want  int
	}{
		{"plain, JWT", plain, mintTyped(t, s, "JWT", bare), 200},
		{"plain, none", plain, mintTyped(t, s, "", bare), 200},
		{"plain, at+jwt", plain, mint(t, s, bare), 401},
		{"nothing required", loose, mint(t, s, bare), 200},
		{"own requirement", strict, mint(t, s, nil), 401},
		{"own requirement met", strict, mint(t, s, map[string]any{"email_verified": false}), 200},
	} {
		if got := status(t, newVerifier(t, test.rules, nil), test.token); got != test.want {
			t.Errorf("%s: status %d, want %d", test.name, got, test.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := jwtauth.New(&jose.Verifier{Algorithms: []string{"none"}}, &jwtauth.Options{MaxTokens: 1})
	for _, want := range []string{"keys", "issuer", "audience", `"none"`, "MaxTokens"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not name %s", err, want)
		}
	}
	if _, err := jwtauth.New(nil, nil); err == nil {
		t.Error("no rules at all were accepted")
	}
	if _, err := jwtauth.New(rules(newSigner(t, "a")), &jwtauth.Options{MaxTokens: -1}); err == nil {
		t.Error("a negative bound was accepted")
	}
	// Later changes of what was given have no effect.
	s := newSigner(t, "a")
	given := rules(s)
	v := newVerifier(t, given, nil)
	given.Issuer = "https://evil.example"
	if got := status(t, v, mint(t, s, nil)); got != 200 {
		t.Errorf("status %d", got)
	}
	if slices.Contains(given.Types, "at+jwt") || given.Required != nil {
		t.Error("New changed what it was given")
	}
}
