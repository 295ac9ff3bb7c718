package grants_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	good := func() *grants.Client {
		return &grants.Client{Provider: "p", TokenURL: "https://as.example/token", ID: "id", Secret: "a-secret"}
	}
	tests := []struct {
		name   string
		change func(*grants.Client)
		want   string // "" for no fault
	}{
		{"good", func(*grants.Client) {}, ""},
		{"http", func(c *grants.Client) { c.TokenURL = "http://as.example/token" }, "TokenURL"},
		{"http allowed", func(c *grants.Client) { c.TokenURL, c.InsecureAllowHTTP = "http://as.example/token", true }, ""},
		{"http on loopback", func(c *grants.Client) { c.TokenURL = "http://127.0.0.1:9096/token" }, ""},
		{"http on IPv6 loopback", func(c *grants.Client) { c.TokenURL = "http://[::1]/token" }, ""},
		{"http on localhost", func(c *grants.Client) { c.TokenURL = "http://localhost/token" }, ""},
		{"almost loopback", func(c *grants.Client) { c.TokenURL = "http://127.0.0.1.example/token" }, "https"},
		{"ftp", func(c *grants.Client) { c.RevokeURL = "ftp://as.example/" }, "RevokeURL"},
		{"relative", func(c *grants.Client) { c.TokenURL = "/token" }, "TokenURL"},
		{"no host", func(c *grants.Client) { c.TokenURL = "https:///token" }, "TokenURL"},
		{"opaque", func(c *grants.Client) { c.TokenURL = "https:token" }, "TokenURL"},
		{"userinfo", func(c *grants.Client) { c.UserInfoURL = "https://u:hunter2@as.example/" }, "UserInfoURL"},
		{"fragment", func(c *grants.Client) { c.AuthorizeURL = "https://as.example/#" }, "fragment"},
		{"space", func(c *grants.Client) { c.TokenURL = "https://as.example/a b" }, "escape"},
		{"control character", func(c *grants.Client) { c.TokenURL = "https://as.example/\n" }, "TokenURL"},
		{"issuer", func(c *grants.Client) { c.Issuer = "as.example" }, "Issuer"},
		{"issuer promised", func(c *grants.Client) { c.RequireIss = true }, "RequireIss"},
		{"redirect", func(c *grants.Client) { c.RedirectURI = "http://app.example/" }, "RedirectURI"},
		{"redirect of an app", func(c *grants.Client) { c.RedirectURI = "com.example.app:/cb" }, ""},
		{"redirect with a fragment", func(c *grants.Client) { c.RedirectURI = "https://app.example/#x" }, "RedirectURI"},
		{"relative redirect", func(c *grants.Client) { c.RedirectURI = "/cb" }, "RedirectURI"},
		{"no id", func(c *grants.Client) { c.ID = "" }, "ID"},
		{"no secret", func(c *grants.Client) { c.Secret = "" }, "None"},
		{"no secret, raw", func(c *grants.Client) { c.Secret, c.Auth = "", grants.ClientSecretBasicRaw }, ""},
		{"colon, raw", func(c *grants.Client) { c.ID, c.Auth = "a:b", grants.ClientSecretBasicRaw }, "':'"},
		{"colon, encoded", func(c *grants.Client) { c.ID = "a:b" }, ""},
		{"public", func(c *grants.Client) { c.ID, c.Secret, c.Auth = "", "", grants.None }, ""},
		{"public with a secret", func(c *grants.Client) { c.Auth = grants.None }, "Auth none does not use"},
		{"private key", func(c *grants.Client) { c.Auth, c.Secret, c.Signer = grants.PrivateKeyJWT, "", signer("ES256") }, ""},
		{"private key and secret", func(c *grants.Client) { c.Auth, c.Signer = grants.PrivateKeyJWT, signer("ES256") }, "private_key_jwt"},
		{"no private key", func(c *grants.Client) { c.Auth, c.Secret = grants.PrivateKeyJWT, "" }, "Signer"},
		{"a secret for a private key", func(c *grants.Client) { c.Auth, c.Secret, c.Signer = grants.PrivateKeyJWT, "", signer("HS256") }, "Signer"},
		{"idle private key", func(c *grants.Client) { c.Signer = signer("ES256") }, "Signer"},
		{"secret to sign with", func(c *grants.Client) { c.Auth, c.Secret = grants.ClientSecretJWT, longSecret }, ""},
		{"short secret to sign with", func(c *grants.Client) { c.Auth = grants.ClientSecretJWT }, "8 bytes"},
		{"certificate missing", func(c *grants.Client) { c.Auth, c.Secret = grants.TLSClientAuth, "" }, "certificate"},
		{"certificate of another transport", func(c *grants.Client) {
			c.Auth, c.Secret, c.HTTP = grants.TLSClientAuth, "", &http.Client{Transport: roundTrip(nil)}
		}, ""},
		{"auth", func(c *grants.Client) { c.Auth = 99 }, "Auth"},
		{"encoding", func(c *grants.Client) { c.Encoding = 99 }, "Encoding"},
		{"no name", func(c *grants.Client) { c.Provider, c.TokenURL = "", "" }, "Provider"},
		{"scope", func(c *grants.Client) { c.Scopes = []string{"read write"} }, "Scopes"},
		{"empty scope", func(c *grants.Client) { c.Scopes = []string{""} }, "Scopes"},
		{"class", func(c *grants.Client) { c.Codes = map[string]grants.Class{"x": "dead"} }, "Codes"},
		{"time", func(c *grants.Client) { c.Timeout = -1 }, "Timeout"},
		{"holes", func(c *grants.Client) { c.InsecureNoPKCE, c.InsecureNoState = true, true }, "InsecureNoPKCE"},
		{"keys", func(c *grants.Client) { c.Issuer, c.Keys = "https://as.example", jose.KeySet{signer("ES256").Key()} }, ""},
		{"keys of nobody", func(c *grants.Client) { c.Keys = jose.KeySet{signer("ES256").Key()} }, "Keys needs Issuer"},
		{"a secret among public keys' algorithms", func(c *grants.Client) {
			c.Issuer, c.Keys = "https://as.example", jose.KeySet{signer("HS256").Key()}
		}, "HS256"},
		{"algorithm none", func(c *grants.Client) {
			c.Issuer, c.Keys, c.IDTokenAlgorithms = "https://as.example", jose.KeySet{signer("ES256").Key()}, []string{"none"}
		}, "none"},
		{"proofs", func(c *grants.Client) { c.DPoP = &grants.DPoP{Key: signer("ES256")} }, ""},
		{"proofs by nothing", func(c *grants.Client) { c.DPoP = &grants.DPoP{} }, "DPoP"},
		{"proofs by a secret", func(c *grants.Client) { c.DPoP = &grants.DPoP{Key: signer("HS256")} }, "DPoP"},
		{"extra assertion", func(c *grants.Client) { c.Extra = params("", "client_assertion") }, "client_assertion"},
		{"extra state", func(c *grants.Client) { c.Extra = params("authorize", "state") }, "state"},
		{"extra secret", func(c *grants.Client) { c.Extra = params("password", "client_secret") }, "client_secret"},
		{"extra redirect", func(c *grants.Client) { c.Extra = params("authorize", "redirect_uri") }, "redirect_uri"},
		{"extra header", func(c *grants.Client) {
			c.Extra = map[string]grants.Extra{"": {Header: http.Header{"authorization": {"x"}}}}
		}, "Authorization"},
		{"extra authorize header", func(c *grants.Client) {
			c.Extra = map[string]grants.Extra{"authorize": {Header: http.Header{"X": {"x"}}}}
		}, "browser"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := good()
			tc.change(c)
			err := c.Validate()
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%v, want mention of %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "a-secret") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v holds a secret", err)
			}
		})
	}
}

func params(key, name string) map[string]grants.Extra {
	return map[string]grants.Extra{key: {Params: map[string][]string{name: {"x"}}}}
}

func TestValidateTellsAllFaults(t *testing.T) {
	t.Parallel()
	c := &grants.Client{TokenURL: "http://as.example/", UserInfoURL: "x", RedirectURI: "/cb", Timeout: -1}
	err := grants.Clients{c, c}.Validate()
	for _, want := range []string{"TokenURL", "UserInfoURL", "RedirectURI", "Timeout", "ID", "twice"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
}

// What Validate would have said is said at first use, before anything is sent, and costs no grant.
func TestFaultsAtFirstUse(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	rec := &store.Record{Provider: "scripted", Token: store.Token{AccessToken: "AT", RefreshToken: "RT"}}
	breaks := map[string]func(*grants.Client){
		"http": func(c *grants.Client) {
			c.TokenURL = strings.Replace(c.TokenURL, "127.0.0.1", "as.example", 1)
			c.RevokeURL, c.UserInfoURL, c.AuthorizeURL = c.TokenURL, c.TokenURL, c.TokenURL
		},
		"extra": func(c *grants.Client) {
			c.Extra = params("", "client_secret")
			c.Extra["authorize"], c.Extra["userinfo"] = c.Extra[""], c.Extra[""]
		},
	}
	for name, change := range breaks {
		c := s.client()
		change(c)
		_, err1 := c.Password(t.Context(), "u", "p")
		_, err2 := c.Refresh(t.Context(), rec)
		_, err3 := c.AuthorizationCode(t.Context(), nil)
		for i, err := range []error{err1, err2, err3, c.Revoke(t.Context(), rec), c.UserInfo(t.Context(), rec.Token, new(any))} {
			var e *grants.Error
			if !errors.As(err, &e) || e.Class != grants.ConfigError || e.Outcome() != keeper.ConfigError {
				t.Errorf("%s, %d: %v", name, i, err)
			}
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
