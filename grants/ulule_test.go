package grants_test

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// ulule is the client of Ulule's OAuth2 document, at a scripted provider.
func ulule(s *script) *grants.Client {
	return &grants.Client{
		Provider: "ulule", TokenURL: s.URL + "/oauth2/token/", ID: "<client_id>", Secret: "<client_secret>",
		Auth: grants.ClientSecretBasicRaw, HTTP: s.Client(), Now: fixed,
	}
}

const ululeAnswer = `{
    "access_token": "PKs6dso48MPRPa4pcKjskjIFwpQMA3",
    "expires_in": 36000,
    "refresh_token": "8Pbypw13OqJDeggvymoUc26djkPZ",
    "scope": "read write",
    "token_type": "Bearer"
}`

// Ulule OAuth2: password and refresh (U1 to U7, U9).
func TestUlule(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, ululeAnswer)
	c := ulule(s)
	tok, err := c.Password(t.Context(), "<username>", "<password>")
	if err != nil {
		t.Fatal(err)
	}
	got := s.only(t)
	if got.Method != "POST" || got.URI != "/oauth2/token/" { // U1
		t.Errorf("%s %s", got.Method, got.URI)
	}
	if want := (url.Values{"grant_type": {"password"}, "username": {"<username>"}, "password": {"<password>"}}); // U2
	!reflect.DeepEqual(got.form(t), want) {
		t.Errorf("body %v, want %v", got.form(t), want)
	}
	if a := got.Header.Get("Authorization"); a != "Basic PGNsaWVudF9pZD46PGNsaWVudF9zZWNyZXQ+" { // U3
		t.Errorf("Authorization %q", a)
	}
	if tok.AccessToken != "PKs6dso48MPRPa4pcKjskjIFwpQMA3" || tok.RefreshToken != "8Pbypw13OqJDeggvymoUc26djkPZ" || // U5
		tok.TokenType != "Bearer" || tok.Expiry.Sub(t0) != 10*time.Hour || !slices.Equal(tok.Scopes, []string{"read", "write"}) {
		t.Errorf("%v", tok)
	}
	if tok.Extra != nil { // U9: nothing of the request, nothing but tokens
		t.Errorf("extra %s", tok.Extra)
	}

	refreshed, err := c.Refresh(t.Context(), &store.Record{Provider: "ulule", Token: tok})
	if err != nil || refreshed.RefreshToken != tok.RefreshToken {
		t.Fatal(refreshed, err)
	}
	again := s.requests()[1]
	want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tok.RefreshToken}} // U6
	if !reflect.DeepEqual(again.form(t), want) || again.URI != got.URI ||
		again.Header.Get("Authorization") != got.Header.Get("Authorization") {
		t.Errorf("%+v", again)
	}
}

// U1: without the last slash Django answers 301, which would turn the POST into a GET.
func TestUluleWithoutSlash(t *testing.T) {
	t.Parallel()
	s := redirecting(t, "/oauth2/token/")
	c := ulule(s)
	c.TokenURL = strings.TrimSuffix(c.TokenURL, "/")
	_, err := c.Password(t.Context(), "u", "p")
	if err == nil || !strings.Contains(err.Error(), s.URL+"/oauth2/token redirects to "+s.URL+"/oauth2/token/") {
		t.Errorf("%v, want both URLs", err)
	}
	s.only(t)
}

// U7: the shape of the refresh answer is not documented.
func TestUluleRefreshAnswers(t *testing.T) {
	t.Parallel()
	for body, rt := range map[string]string{
		ululeAnswer: "8Pbypw13OqJDeggvymoUc26djkPZ",
		`{"access_token":"AT2","token_type":"Bearer"}`: "", // the keeper keeps the old one
	} {
		tok, err := ulule(answering(t, 200, body)).Refresh(t.Context(), &store.Record{
			Provider: "ulule", Token: store.Token{RefreshToken: "RT1", Scopes: []string{"read"}},
		})
		if err != nil || tok.RefreshToken != rt || len(tok.Scopes) == 0 {
			t.Errorf("%v, %v", tok, err)
		}
	}
}

// U8: the token goes to the API's origin, which is another host than the token endpoint's, and nowhere else.
func TestUluleAPI(t *testing.T) {
	t.Parallel()
	s, api, other := answering(t, 200, ululeAnswer), resource(t), resource(t)
	keep, rec := kept(t, ulule(s), store.Token{AccessToken: "AT1", TokenType: "Bearer", Expiry: time.Now().Add(time.Hour)}, nil)
	client := keep.Client(rec.Handle, api.URL)
	resp, err := client.Get(api.URL + "/v1/me")
	if err != nil || api.only(t).Header.Get("Authorization") != "Bearer AT1" || api.only(t).URI != "/v1/me" {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, to := range []string{s.URL, other.URL} {
		if _, err := client.Get(to); err == nil || !strings.Contains(err.Error(), "not one of the token's origins") {
			t.Errorf("%s: %v", to, err)
		}
	}
	if n := len(s.requests()) + len(other.requests()); n != 0 {
		t.Errorf("%d requests elsewhere", n)
	}
}

// ululeConnect is the client of the Ulule Connect document. Its endpoints are on another host than ulule's.
func ululeConnect(s *script) *grants.Client {
	c := ulule(s)
	c.AuthorizeURL, c.RedirectURI = s.URL+"/oauth2/authorize/", "https://partner.example/callback"
	return c
}

// Ulule Connect, authorization code (C1, C3).
func TestUluleConnect(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, ululeAnswer)
	c := ululeConnect(s)
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, f.URL)
	if !strings.HasPrefix(f.URL, s.URL+"/oauth2/authorize/?") || q.Get("client_id") != c.ID || q.Get("response_type") != "code" ||
		q.Get("redirect_uri") != c.RedirectURI || q.Has("scope") || q.Get("state") == "" || q.Get("code_challenge_method") != "S256" {
		t.Errorf("URL %q", f.URL)
	}
	tok, err := c.Exchange(t.Context(), f, url.Values{"code": {"CODE"}, "state": {f.State}})
	if err != nil || tok.Expiry.Sub(t0) != 10*time.Hour {
		t.Fatal(tok, err)
	}
	got := s.only(t)
	want := url.Values{
		"grant_type": {"authorization_code"}, "code": {"CODE"}, "redirect_uri": {c.RedirectURI}, "code_verifier": {f.Verifier},
	}
	if !reflect.DeepEqual(got.form(t), want) || got.Header.Get("Authorization") != "Basic PGNsaWVudF9pZD46PGNsaWVudF9zZWNyZXQ+" {
		t.Errorf("%+v", got)
	}
}

// C1: PKCE can be switched off. C3: with several redirect URIs, both requests carry the chosen one.
func TestUluleConnectVariants(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, ululeAnswer)
	c := ululeConnect(s)
	c.InsecureNoPKCE = true
	f, err := c.AuthorizationCode(t.Context(), &grants.FlowOptions{RedirectURI: "https://partner.example/second"})
	if err != nil {
		t.Fatal(err)
	}
	if q := query(t, f.URL); q.Has("code_challenge") || q.Get("redirect_uri") != "https://partner.example/second" {
		t.Errorf("%v", q)
	}
	if _, err := c.Exchange(t.Context(), stored(t, f), url.Values{"code": {"C"}, "state": {f.State}}); err != nil {
		t.Fatal(err)
	}
	if got := s.only(t).form(t); got.Get("redirect_uri") != "https://partner.example/second" || got.Has("code_verifier") {
		t.Errorf("%v", got)
	}
}

// C2: a state that is not echoed is an error by default; giving that up is a field with a warning in its name.
func TestUluleConnectDropsState(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, ululeAnswer)
	c := ululeConnect(s)
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exchange(t.Context(), f, url.Values{"code": {"C"}}); err == nil {
		t.Error("accepted")
	}
	c.InsecureNoState = true
	if _, err := c.Exchange(t.Context(), f, url.Values{"code": {"C"}}); err != nil || !s.only(t).form(t).Has("code_verifier") {
		t.Error(err)
	}
}

// C4: an error counts only after the state has been checked.
func TestUluleConnectError(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, ululeAnswer)
	c := ululeConnect(s)
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := c.Exchange(t.Context(), f, url.Values{"error": {"access_denied"}, "state": {"other"}})
	_, err2 := c.Exchange(t.Context(), f, url.Values{"error": {"access_denied"}, "state": {f.State}})
	if err1 == nil || strings.Contains(err1.Error(), "denied") || err2 == nil || !strings.Contains(err2.Error(), "denied") {
		t.Errorf("%v; %v", err1, err2)
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// C5, C7: response_type=token. There is no refresh token, and so nothing to refresh with.
func TestUluleConnectImplicit(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, ululeAnswer)
	c := ululeConnect(s)
	c.InsecureImplicit = true // the document has no endpoint that would tell whose token it is
	f, err := c.Implicit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	fragment, err := url.ParseQuery("access_token=AT&token_type=Bearer&expires_in=36000&scope=read+write&refresh_token=RT&state=" + f.State)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := c.ImplicitToken(t.Context(), f, fragment)
	if err != nil || tok.Expiry.Sub(t0) != 10*time.Hour || len(tok.Scopes) != 2 || tok.RefreshToken != "" {
		t.Fatal(tok, err)
	}
	if _, err := c.Refresh(t.Context(), &store.Record{Provider: "ulule", Token: tok}); err == nil || len(s.requests()) != 0 {
		t.Errorf("%v", err)
	}
}
