package grants_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

func TestImplicit(t *testing.T) {
	t.Parallel()
	good := func(f *grants.Flow) url.Values {
		return url.Values{"access_token": {"AT"}, "token_type": {"bearer"}, "expires_in": {"3600"}, "state": {f.State},
			"refresh_token": {"RT"}, "x": {"y"}}
	}
	with := func(name string, values ...string) func(*grants.Flow) url.Values {
		return func(f *grants.Flow) url.Values {
			v := good(f)
			v[name] = values
			return v
		}
	}
	tests := []struct {
		name     string
		fragment func(*grants.Flow) url.Values
		in       string // what introspection says
		want     string // "" for a token
	}{
		{"good", good, `{"active":true,"client_id":"id"}`, ""},
		{"audience", good, `{"active":true,"aud":"id"}`, ""},
		{"token of another client", good, `{"active":true,"client_id":"other"}`, "not issued to this client"},
		{"dead token", good, `{"active":false}`, "not issued to this client"},
		{"introspection fails", good, `<html>`, "introspect"},
		{"wrong state", with("state", "S9"), `{"active":true,"client_id":"id"}`, "state"},
		{"no state", with("state"), `{"active":true,"client_id":"id"}`, "state"},
		{"token twice", with("access_token", "AT", "AT"), `{"active":true,"client_id":"id"}`, "more than once"},
		{"code too", with("code", "C"), `{"active":true,"client_id":"id"}`, "code"},
		{"no token", with("access_token"), `{"active":true,"client_id":"id"}`, "no access token"},
		{"error", func(f *grants.Flow) url.Values {
			return url.Values{"error": {"access_denied"}, "state": {f.State}}
		}, ``, "access_denied"},
		{"unusable token", with("access_token", "A B"), `{"active":true,"client_id":"id"}`, "header"},
		{"bound token", with("token_type", "DPoP"), `{"active":true,"client_id":"id"}`, "bound"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, 200, tc.in)
			c := s.client()
			c.IntrospectURL, c.Scopes = s.URL+"/introspect", []string{"read"}
			f, err := c.Implicit(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if q := query(t, f.URL); q.Get("response_type") != "token" || q.Has("code_challenge") || q.Get("state") != f.State {
				t.Errorf("query %v", q)
			}
			tok, err := c.ImplicitToken(t.Context(), stored(t, f), tc.fragment(f))
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "implicit at scripted: protocol_error (status") || tok.AccessToken != "" {
					t.Errorf("%v, %v, want %q", tok, err, tc.want)
				}
				return
			}
			if err != nil || tok.AccessToken != "AT" || tok.RefreshToken != "" || tok.Expiry.Sub(t0) != time.Hour ||
				!slices.Equal(tok.Scopes, []string{"read"}) || string(tok.Extra) != `{"x":"y"}` {
				t.Errorf("%v %s, %v", tok, tok.Extra, err)
			}
		})
	}
}

// The two kinds of flow do not mix, and the implicit one needs a proof of audience or a field that says otherwise.
func TestImplicitIsOptIn(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	if _, err := c.Implicit(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "IntrospectURL") {
		t.Errorf("%v", err)
	}
	c.InsecureImplicit = true
	f, err := c.Implicit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	back := url.Values{"access_token": {"AT"}, "state": {f.State}}
	if _, err := c.Exchange(t.Context(), f, back); !errors.Is(err, grants.ErrCallback) {
		t.Errorf("a fragment in the query: %v", err)
	}
	c.InsecureNoPKCE = true
	if _, err := c.Exchange(t.Context(), f, url.Values{"code": {"C"}, "state": {f.State}}); !errors.Is(err, grants.ErrCallback) {
		t.Errorf("a code for an implicit flow: %v", err)
	}
	c.InsecureNoPKCE = false
	if tok, err := c.ImplicitToken(t.Context(), f, back); err != nil || tok.AccessToken != "AT" {
		t.Errorf("%v, %v", tok, err)
	}
	c.VerifyImplicit = func(_ context.Context, tok store.Token) error { return errors.New("not ours: " + tok.AccessToken) }
	if tok, err := c.ImplicitToken(t.Context(), f, url.Values{"access_token": {"AT-marker"}, "state": {f.State}}); err == nil ||
		tok.AccessToken != "" || strings.Contains(err.Error(), "marker") {
		t.Errorf("%v, %v", tok, err)
	}
	code, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	back.Set("state", code.State)
	if _, err := c.ImplicitToken(t.Context(), code, back); !errors.Is(err, grants.ErrCallback) {
		t.Errorf("a fragment for a code flow: %v", err)
	}
	if _, err := c.ImplicitToken(t.Context(), nil, back); !errors.Is(err, grants.ErrCallback) {
		t.Errorf("no flow: %v", err)
	}
	c.InsecureNoState = true
	if _, err := c.Implicit(t.Context(), nil); err == nil {
		t.Error("implicit without state")
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
