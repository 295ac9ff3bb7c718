package grants_test

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

var (
	_ keeper.Refresher = (*grants.Client)(nil)
	_ keeper.Revoker   = (*grants.Client)(nil)
	_ keeper.Refresher = grants.Clients(nil)
	_ keeper.Revoker   = grants.Clients(nil)
)

func TestRefreshRefusesBeforeSending(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	held := store.Token{RefreshToken: "RT"}
	tests := []struct {
		name string
		rec  *store.Record
		want keeper.Outcome
	}{
		{"none", nil, keeper.ConfigError},
		{"another provider's", &store.Record{Provider: "other", Token: held}, keeper.ConfigError},
		{"without a refresh token", &store.Record{Provider: "scripted"}, keeper.Dead},
	}
	for _, tc := range tests {
		_, err := c.Refresh(t.Context(), tc.rec)
		var e *grants.Error
		if !errors.As(err, &e) || e.Outcome() != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if err := c.Revoke(t.Context(), &store.Record{Provider: "other", Token: held}); err == nil {
		t.Error("revoked another provider's record")
	}
	if _, err := (grants.Clients{c}).Refresh(t.Context(), &store.Record{Token: held}); err == nil {
		t.Error("Clients guessed a provider")
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestClientsRoute(t *testing.T) {
	t.Parallel()
	a, b := answering(t, 200, okBody), answering(t, 200, okBody)
	ca, cb := a.client(), b.client()
	ca.Provider, ca.Issuer = "", "https://a.example"
	cb.Provider = ""
	cs := grants.Clients{ca, cb}
	if got := cs.Providers(); !slices.Equal(got, []string{"https://a.example", cb.TokenURL}) {
		t.Errorf("providers %q", got)
	}
	rec := &store.Record{Provider: cb.TokenURL, Token: store.Token{RefreshToken: "RT"}}
	if _, err := cs.Refresh(t.Context(), rec); err != nil {
		t.Error(err)
	}
	if err := cs.Revoke(t.Context(), rec); err != nil {
		t.Error(err)
	}
	if len(a.requests()) != 0 || len(b.requests()) != 2 || cs.Find("https://a.example") != ca || cs.Find("x") != nil {
		t.Errorf("%d and %d requests", len(a.requests()), len(b.requests()))
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	both := store.Token{AccessToken: "AT", RefreshToken: "RT"}
	tests := []struct {
		name   string
		status int
		body   string
		tok    store.Token
		sent   url.Values // nil: nothing
		ok     bool
	}{
		{"refresh token", 200, ``, both, url.Values{"token": {"RT"}, "token_type_hint": {"refresh_token"}}, true},
		{"access token", 200, ``, store.Token{AccessToken: "AT"}, url.Values{"token": {"AT"}, "token_type_hint": {"access_token"}}, true},
		{"nothing", 200, ``, store.Token{}, nil, true},
		{"Google, unknown token", 400, `{"error":"invalid_token"}`, both, url.Values{"token": {"RT"}, "token_type_hint": {"refresh_token"}}, true},
		{"later", 503, ``, both, url.Values{"token": {"RT"}, "token_type_hint": {"refresh_token"}}, false},
		{"wrong client", 401, `{"error":"invalid_client"}`, both, url.Values{"token": {"RT"}, "token_type_hint": {"refresh_token"}}, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, tc.status, tc.body)
			err := s.client().Revoke(t.Context(), &store.Record{Provider: "scripted", Token: tc.tok})
			if (err == nil) != tc.ok {
				t.Errorf("%v", err)
			}
			if tc.sent == nil {
				if len(s.requests()) != 0 {
					t.Error("sent nothing's revocation")
				}
				return
			}
			if got := s.only(t); !reflect.DeepEqual(got.form(t), tc.sent) || !strings.HasPrefix(got.Header.Get("Authorization"), "Basic ") {
				t.Errorf("%+v", got)
			}
		})
	}
	c := answering(t, 500, ``).client()
	c.RevokeURL = ""
	if err := c.Revoke(t.Context(), &store.Record{Token: both}); err != nil {
		t.Errorf("no endpoint: %v", err)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") {
		case "Bearer AT":
			w.Write([]byte(`{"sub":"u1","email":"a@example.org"}`))
		case "Bearer SHADOW":
			w.Write([]byte(`{"sub":"u1","SUB":"u2"}`))
		case "Bearer DEAD":
			w.Header().Set("WWW-Authenticate", `Bearer realm="x", error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.Write([]byte(`<html>`))
		}
	})
	c := s.client()
	var user struct{ Sub, Email string }
	// {"sub":"u1"} and {"sub":"u2"}, unsigned
	same, other := "e30.eyJzdWIiOiJ1MSJ9.x", "e30.eyJzdWIiOiJ1MiJ9.x"
	tests := []struct {
		name string
		tok  store.Token
		want string
	}{
		{"good", store.Token{AccessToken: "AT", TokenType: "bearer"}, ""},
		{"same sub", store.Token{AccessToken: "AT", IDToken: same}, ""},
		{"other sub", store.Token{AccessToken: "AT", IDToken: other}, "sub"},
		{"unreadable ID token", store.Token{AccessToken: "AT", IDToken: "x"}, "sub"},
		{"two spellings of sub", store.Token{AccessToken: "SHADOW", IDToken: same}, "sub"},
		{"dead", store.Token{AccessToken: "DEAD"}, "invalid_token"},
		{"no JSON", store.Token{AccessToken: "HTML"}, "not JSON"},
		{"no header's token", store.Token{AccessToken: "A\r\nB"}, "no access token"},
	}
	for _, tc := range tests {
		user.Sub, user.Email = "", ""
		err := c.UserInfo(t.Context(), tc.tok, &user)
		if err != nil && user.Sub != "" {
			t.Errorf("%s: %+v of another user", tc.name, user)
		}
		if tc.want == "" && (err != nil || user.Email != "a@example.org") || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	var wrong struct{ Email int }
	if err := c.UserInfo(t.Context(), store.Token{AccessToken: "AT"}, &wrong); err == nil || strings.Contains(err.Error(), "a@") {
		t.Errorf("%v", err)
	}
}
