package grants_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// idToken is an ID token for the client "id" and the nonce "N1", but for the claims given; nil removes one.
func idToken(t *testing.T, key *jose.Signer, but map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://as.example", "sub": "user-1", "aud": "id", "exp": t0.Add(time.Hour).Unix(), "iat": t0.Unix(), "nonce": "N1",
	}
	maps.Copy(claims, but)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	header := map[string]any{}
	if typ, ok := claims["typ"]; ok {
		header["typ"] = typ
		delete(claims, "typ")
	}
	text, err := key.Sign(header, claims)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// signIn exchanges the code "C" at a server that answers with this ID token.
func signIn(t *testing.T, idToken string, change func(*grants.Client, *grants.Flow)) (store.Token, *grants.Client, error) {
	t.Helper()
	member := ""
	if idToken != "" {
		member = `,"id_token":"` + idToken + `"`
	}
	s := answering(t, 200, `{"access_token":"AT","refresh_token":"RT","token_type":"Bearer","expires_in":3600`+member+`}`)
	c := s.client()
	c.Issuer = "https://as.example"
	f := &grants.Flow{
		Provider: "scripted", Issuer: c.Issuer, State: "S1", Verifier: strings.Repeat("v", 43), Nonce: "N1", Scopes: []string{"openid"},
		Expires: t0.Add(time.Minute),
	}
	change(c, f)
	tok, err := c.Exchange(t.Context(), f, url.Values{"code": {"C"}, "state": {"S1"}})
	return tok, c, err
}

// OpenID Connect Core section 3.1.3.7, each claim wrong in turn.
func TestIDToken(t *testing.T) {
	t.Parallel()
	key, other := signer("ES256"), signer("ES256")
	secret := signer("HS256")
	type flow = func(*grants.Client, *grants.Flow)
	trust := func(c *grants.Client, _ *grants.Flow) { c.Keys = jose.KeySet{key.Key()} }
	also := func(more flow) flow {
		return func(c *grants.Client, f *grants.Flow) { trust(c, f); more(c, f) }
	}
	only := func(algorithms ...string) flow {
		return also(func(c *grants.Client, _ *grants.Flow) { c.IDTokenAlgorithms = algorithms })
	}
	aged := func(age string) flow { return also(func(_ *grants.Client, f *grants.Flow) { f.MaxAge = age }) }
	type claims = map[string]any
	tests := []struct {
		name   string
		key    *jose.Signer
		claims claims
		change flow
		want   string // of the error; empty: signed in
	}{
		{"good", key, nil, trust, ""},
		{"several audiences, azp", key, claims{"aud": []string{"x", "id"}, "azp": "id"}, trust, ""},
		{"several audiences, no azp", key, claims{"aud": []string{"x", "id"}}, trust, "authorized party"},
		{"azp other", key, claims{"azp": "x"}, trust, "authorized party"},
		{"azp no string", key, claims{"azp": []string{"id"}}, trust, "authorized party"},
		{"iss other", key, claims{"iss": "https://evil.example"}, trust, "issuer"},
		{"iss with a slash", key, claims{"iss": "https://as.example/"}, trust, "issuer"},
		{"iss missing", key, claims{"iss": nil}, trust, "issuer"},
		{"aud other", key, claims{"aud": "other"}, trust, "audience"},
		{"aud empty", key, claims{"aud": []string{}}, trust, "audience"},
		{"aud a prefix", key, claims{"aud": "i"}, trust, "audience"},
		{"sub missing", key, claims{"sub": nil}, trust, "required"},
		{"sub empty", key, claims{"sub": ""}, trust, "required"},
		{"iat missing", key, claims{"iat": nil}, trust, "required"},
		{"iat in the future", key, claims{"iat": t0.Add(2 * time.Minute).Unix()}, trust, "not valid yet"},
		{"exp missing", key, claims{"exp": nil}, trust, "required"},
		{"expired", key, claims{"exp": t0.Add(-2 * time.Minute).Unix()}, trust, "expired"},
		{"expired within the leeway", key, claims{"exp": t0.Add(-30 * time.Second).Unix()}, trust, ""},
		{"nonce other", key, claims{"nonce": "N2"}, trust, "nonce"},
		{"nonce missing", key, claims{"nonce": nil}, trust, "nonce"},
		{"nonce no string", key, claims{"nonce": []string{"N1"}}, trust, "nonce"},
		{"at_hash", key, claims{"at_hash": key.HalfHash("AT")}, trust, ""},
		{"at_hash of another token", key, claims{"at_hash": key.HalfHash("AT2")}, trust, "access token"},
		{"at_hash no string", key, claims{"at_hash": 1}, trust, "access token"},
		{"c_hash", key, claims{"c_hash": key.HalfHash("C")}, trust, ""},
		{"c_hash of another code", key, claims{"c_hash": key.HalfHash("C2")}, trust, "code"},
		{"another key of the same name", other, nil, trust, "signature"},
		{"algorithm not allowed", key, nil, only("RS256"), "algorithm"},
		{"algorithm allowed", key, nil, only("RS256", "ES256"), ""},
		{"secret", secret, nil, func(c *grants.Client, _ *grants.Flow) {
			c.Keys, c.IDTokenAlgorithms = jose.KeySet{secret.Key()}, []string{"HS256"}
		}, ""},
		{"secret by surprise", secret, nil, func(c *grants.Client, _ *grants.Flow) { c.Keys = jose.KeySet{secret.Key()} }, "algorithm"},
		{"an access token", key, claims{"typ": "at+jwt"}, trust, "typ"},
		{"a logout token", key, claims{"typ": "logout+jwt"}, trust, "typ"},
		{"young enough", key, claims{"auth_time": t0.Add(-5 * time.Minute).Unix()}, aged("300"), ""},
		{"too old a sign-in", key, claims{"auth_time": t0.Add(-7 * time.Minute).Unix()}, aged("300"), "max_age"},
		{"age not told", key, nil, aged("300"), "max_age"},
		{"age not understood", key, claims{"auth_time": t0.Unix()}, aged("soon"), "max_age"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tok, c, err := signIn(t, idToken(t, tc.key, tc.claims), tc.change)
			if tc.want != "" {
				refusedLogin(t, tok, err, tc.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if claims, err := c.IDToken(t.Context(), tok); err != nil || claims.Subject != "user-1" {
				t.Errorf("%v, %v", claims, err)
			}
		})
	}
	for name, text := range map[string]string{"missing": "", "malformed": "a.b.c", "unsigned": "e30.e30.", "encrypted": "a.b.c.d.e"} {
		tok, _, err := signIn(t, text, trust)
		refusedLogin(t, tok, err, map[string]string{"missing": "openid was asked for"}[name])
	}
}

func refusedLogin(t *testing.T, tok store.Token, err error, want string) {
	t.Helper()
	var e *grants.Error
	if !errors.Is(err, grants.ErrIDToken) || !errors.As(err, &e) || e.Class != grants.ProtocolError || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want ErrIDToken and %q", err, want)
	}
	if tok.AccessToken != "" || tok.IDToken != "" || tok.RefreshToken != "RT" {
		t.Errorf("with the error came %v, want the refresh token alone, to be revoked", tok)
	}
}

// Without keys nothing is verified, nor claimed to be. Without openid no ID token is missed.
func TestIDTokenIsNotDemandedInVain(t *testing.T) {
	t.Parallel()
	key := signer("ES256")
	tok, c, err := signIn(t, "a.b.c", func(*grants.Client, *grants.Flow) {})
	if err != nil || tok.IDToken != "a.b.c" {
		t.Errorf("%v, %v", tok, err)
	}
	var e *grants.Error
	if claims, err := c.IDToken(t.Context(), tok); claims != nil || !errors.As(err, &e) || e.Class != grants.ConfigError {
		t.Errorf("%v, %v", claims, err)
	}
	if _, _, err := signIn(t, "", func(c *grants.Client, f *grants.Flow) {
		c.Keys, f.Nonce = jose.KeySet{key.Key()}, ""
	}); err != nil {
		t.Error(err)
	}
	f, err := (&grants.Client{Provider: "p", AuthorizeURL: "https://as.example/a", ID: "id"}).AuthorizationCode(t.Context(), &grants.FlowOptions{
		Scopes: []string{"openid"}, Params: url.Values{"max_age": {"60"}},
	})
	if err != nil || f.MaxAge != "60" || stored(t, f).MaxAge != "60" {
		t.Errorf("%v, %v", f, err)
	}
}

// Keys that cannot be had are not a verdict on the ID token.
func TestIDTokenKeysUnavailable(t *testing.T) {
	t.Parallel()
	text := idToken(t, signer("ES256"), nil)
	tok, c, err := signIn(t, text, func(c *grants.Client, _ *grants.Flow) { c.Keys = noKeys{} })
	var e *grants.Error
	if errors.Is(err, grants.ErrIDToken) || !errors.As(err, &e) || e.Class != grants.UnknownOutcome || tok.AccessToken != "" {
		t.Errorf("%v, %v", tok, err)
	}
	_, err = c.IDToken(t.Context(), store.Token{IDToken: text})
	if errors.Is(err, grants.ErrIDToken) || !errors.As(err, &e) || e.Class != grants.RetryLater || strings.Contains(err.Error(), text) {
		t.Errorf("%v", err)
	}
}

type noKeys struct{}

func (noKeys) Keys(context.Context, string) ([]jose.Key, error) { return nil, errors.New("down") }

// A client that Discover made verifies by the keys behind jwks_uri.
func TestDiscoveredKeys(t *testing.T) {
	t.Parallel()
	key := signer("ES256")
	var s *script
	s = scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/oauth-authorization-server":
			w.Write([]byte(`{"issuer":"` + s.URL + `","authorization_endpoint":"` + s.URL + `/a","token_endpoint":"` + s.URL + `/t","jwks_uri":"` + s.URL + `/k"}`))
		case "/k":
			w.Write([]byte(`{"keys":[` + string(key.JWK()) + `]}`))
		default:
			all := s.requests()
			nonce := all[len(all)-1].form(t).Get("code")
			w.Write([]byte(`{"access_token":"AT","id_token":"` + idToken(t, key, map[string]any{"iss": s.URL, "nonce": nonce}) + `"}`))
		}
	})
	c, err := grants.Discover(t.Context(), &grants.Client{
		Issuer: s.URL, ID: "id", Secret: "s", RedirectURI: "https://app.example/", Scopes: []string{"openid"}, HTTP: s.Client(), Now: fixed,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, nonce := range []string{"right", "wrong"} {
		f, err := c.AuthorizationCode(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		back := url.Values{"state": {f.State}, "code": {"wrong"}}
		if nonce == "right" {
			back.Set("code", f.Nonce) // what the script puts into the token
		}
		_, err = c.Exchange(t.Context(), f, back)
		if (err == nil) != (nonce == "right") || errors.Is(err, grants.ErrIDToken) != (nonce == "wrong") {
			t.Errorf("%s: %v", nonce, err)
		}
	}
}

// OpenID Connect Core section 12.2: a refresh never changes who the user is, and never loses a token over a bad ID token.
func TestIDTokenOfRefresh(t *testing.T) {
	t.Parallel()
	key := signer("ES256")
	login := idToken(t, key, nil)
	fresh := idToken(t, key, map[string]any{"nonce": nil, "iat": t0.Add(time.Hour).Unix()})
	tests := []struct {
		name, old, answer string
		want              string // the ID token; "!" for a refusal
	}{
		{"same user", login, fresh, fresh},
		{"none in the answer", login, "", ""},
		{"none before", "", fresh, fresh},
		{"unreadable", login, "a.b.c", ""},
		{"unreadable before", "a.b.c", fresh, fresh},
		{"other user", login, idToken(t, key, map[string]any{"sub": "user-2"}), "!"},
		{"other issuer", login, idToken(t, key, map[string]any{"iss": "https://evil.example"}), "!"},
	}
	for _, tc := range tests {
		s := answering(t, 200, `{"access_token":"AT2","refresh_token":"RT2","token_type":"Bearer","id_token":"`+tc.answer+`"}`)
		c := s.client()
		c.Issuer, c.Keys = "https://as.example", jose.KeySet{key.Key()}
		tok, err := c.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: "RT", IDToken: tc.old}})
		if tc.want != "!" {
			if err != nil || tok.IDToken != tc.want || tok.AccessToken != "AT2" {
				t.Errorf("%s: %v, %v", tc.name, tok, err)
			}
			continue
		}
		var e *grants.Error
		if !errors.Is(err, grants.ErrIDToken) || !errors.As(err, &e) || e.Outcome() == keeper.Dead || tok.AccessToken != "" || tok.RefreshToken != "RT2" {
			t.Errorf("%s: %v, %v", tc.name, tok, err)
		}
	}
}

// An ID token in a fragment has been verified by nobody, so it is not kept.
func TestIDTokenInFragmentIsDropped(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, "{}")
	c := s.client()
	c.InsecureImplicit = true
	f, err := c.Implicit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := c.ImplicitToken(t.Context(), f, url.Values{
		"access_token": {"AT"}, "token_type": {"Bearer"}, "id_token": {idToken(t, signer("ES256"), nil)}, "state": {f.State},
	})
	if err != nil || tok.IDToken != "" || tok.Extra != nil {
		t.Errorf("%v, extra %s, %v", tok, tok.Extra, err)
	}
}
