package grants_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"net/url"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

func TestOtherGrants(t *testing.T) {
	t.Parallel()
	const accessToken = "urn:ietf:params:oauth:token-type:access_token"
	tests := []struct {
		name string
		call func(*grants.Client) (store.Token, error)
		want url.Values // nil: refused before sending
	}{
		{"client credentials", func(c *grants.Client) (store.Token, error) {
			return c.ClientCredentials(t.Context())
		}, url.Values{"grant_type": {"client_credentials"}, "scope": {"a b"}}},
		{"client credentials, scope", func(c *grants.Client) (store.Token, error) {
			return c.ClientCredentials(t.Context(), "c")
		}, url.Values{"grant_type": {"client_credentials"}, "scope": {"c"}}},
		{"client credentials, public", func(c *grants.Client) (store.Token, error) {
			c.Auth, c.Secret, c.HTTP = grants.None, "", nil
			return c.ClientCredentials(t.Context(), "c")
		}, nil},
		{"JWT bearer", func(c *grants.Client) (store.Token, error) {
			return c.JWTBearer(t.Context(), "e30.e30.x")
		}, url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"e30.e30.x"}, "scope": {"a b"},
		}},
		{"token exchange", func(c *grants.Client) (store.Token, error) {
			return c.TokenExchange(t.Context(), &grants.TokenExchange{
				Subject: "ST", Actor: "ACT", Resource: []string{"https://b/", "https://a/"}, Audience: []string{"z", "y"},
				Requested: accessToken, Scopes: []string{"x"},
			})
		}, url.Values{
			"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token": {"ST"}, "subject_token_type": {accessToken}, "actor_token": {"ACT"}, "actor_token_type": {accessToken},
			"requested_token_type": {accessToken}, "resource": {"https://b/", "https://a/"}, "audience": {"z", "y"}, "scope": {"x"},
		}},
		{"token exchange elsewhere", func(c *grants.Client) (store.Token, error) {
			return c.TokenExchange(t.Context(), &grants.TokenExchange{Subject: "ST", Resource: []string{"https://evil/"}})
		}, nil},
		{"token exchange of nothing", func(c *grants.Client) (store.Token, error) {
			return c.TokenExchange(t.Context(), nil)
		}, nil},
		{"extension", func(c *grants.Client) (store.Token, error) {
			return c.Extension(t.Context(), "fb_exchange_token", map[string][]string{"fb_exchange_token": {"AT"}})
		}, url.Values{"grant_type": {"fb_exchange_token"}, "fb_exchange_token": {"AT"}, "scope": {"a b"}}},
		{"extension elsewhere", func(c *grants.Client) (store.Token, error) {
			return c.Extension(t.Context(), "x", map[string][]string{"audience": {"evil"}})
		}, nil},
		{"extension of two types", func(c *grants.Client) (store.Token, error) {
			return c.Extension(t.Context(), "x", map[string][]string{"grant_type": {"password"}})
		}, nil},
		{"extension of none", func(c *grants.Client) (store.Token, error) {
			return c.Extension(t.Context(), "", nil)
		}, nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, 200, `{"access_token":"AT","issued_token_type":"`+accessToken+`","token_type":"N_A"}`)
			c := s.client()
			c.Scopes, c.Targets = []string{"a", "b"}, []string{"https://a/", "https://b/", "y", "z"}
			tok, err := tc.call(c)
			if tc.want == nil {
				var e *grants.Error
				if !errors.As(err, &e) || e.Class != grants.ConfigError || len(s.requests()) != 0 {
					t.Errorf("%v after %d requests", err, len(s.requests()))
				}
				return
			}
			if err != nil || tok.AccessToken != "AT" || !strings.Contains(string(tok.Extra), "issued_token_type") {
				t.Fatalf("%v, %v", tok, err)
			}
			if got := s.only(t).form(t); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("sent %v, want %v", got, tc.want)
			}
		})
	}
}

// R4: a client of its own repeats its grant on expiry, and never takes a user's.
func TestOwnAccount(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{"access_token":"AT","expires_in":60}`)
	c := s.client()
	c.OwnAccount = true
	rec := &store.Record{Provider: "scripted", Token: store.Token{AccessToken: "OLD", Scopes: []string{"x", "y"}}}
	tok, err := c.Refresh(t.Context(), rec)
	if err != nil || tok.AccessToken != "AT" {
		t.Fatal(tok, err)
	}
	if got := s.only(t).form(t); got.Get("grant_type") != "client_credentials" || got.Get("scope") != "x y" || got.Has("refresh_token") {
		t.Errorf("sent %v", got)
	}
	_, err1 := c.Password(t.Context(), "u", "p")
	_, err2 := c.AuthorizationCode(t.Context(), nil)
	_, err3 := c.Device(t.Context())
	if err1 == nil || err2 == nil || err3 == nil || len(s.requests()) != 1 {
		t.Errorf("%v, %v, %v", err1, err2, err3)
	}
}
