package grants_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// wellKnown serves documents by path; everything else is 404.
func wellKnown(t *testing.T, docs map[string]string) *script {
	t.Helper()
	var s *script
	s = scripted(t, func(w http.ResponseWriter, r *http.Request) {
		doc, ok := docs[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(strings.ReplaceAll(doc, "ISSUER", s.URL)))
	})
	return s
}

const fullMetadata = `{"issuer":"ISSUER/t1","authorization_endpoint":"ISSUER/a","token_endpoint":"ISSUER/t/",
	"revocation_endpoint":"ISSUER/r","userinfo_endpoint":"https://api.example/u","introspection_endpoint":"ISSUER/i",
	"device_authorization_endpoint":"ISSUER/d","pushed_authorization_request_endpoint":"ISSUER/p",
	"end_session_endpoint":"ISSUER/e","jwks_uri":"ISSUER/k","Token_Endpoint":"https://evil.example/",
	"token_endpoint_auth_methods_supported":["client_secret_post","private_key_jwt"],
	"authorization_response_iss_parameter_supported":true,"scopes_supported":[1,{}]}`

func TestDiscover(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/.well-known/oauth-authorization-server/t1", "/t1/.well-known/openid-configuration"} {
		s := wellKnown(t, map[string]string{path: fullMetadata})
		c := &grants.Client{Issuer: s.URL + "/t1", ID: "id", Secret: "s", RevokeURL: s.URL + "/mine"}
		d, err := grants.Discover(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		want := grants.Client{
			AuthorizeURL: s.URL + "/a", TokenURL: s.URL + "/t/", RevokeURL: s.URL + "/mine", UserInfoURL: "https://api.example/u",
			IntrospectURL: s.URL + "/i", DeviceURL: s.URL + "/d", PARURL: s.URL + "/p", EndSessionURL: s.URL + "/e",
		}
		got := grants.Client{
			AuthorizeURL: d.AuthorizeURL, TokenURL: d.TokenURL, RevokeURL: d.RevokeURL, UserInfoURL: d.UserInfoURL,
			IntrospectURL: d.IntrospectURL, DeviceURL: d.DeviceURL, PARURL: d.PARURL, EndSessionURL: d.EndSessionURL,
		}
		for i, e := range grants.Endpoints(&got) {
			if e != grants.Endpoints(&want)[i] {
				t.Errorf("%s: %s, want %s", path, e, grants.Endpoints(&want)[i])
			}
		}
		if d.Keys == nil || c.Keys != nil {
			t.Errorf("keys %v, %v", d.Keys, c.Keys)
		}
		if !d.RequireIss || d.Auth != grants.ClientSecretPost || c.TokenURL != "" || d.Validate() != nil {
			t.Errorf("%v %v, %q, %v", d.RequireIss, d.Auth, c.TokenURL, d.Validate())
		}
	}
}

// RFC 8705 section 5: endpoints that take client certificates are elsewhere, and matter only to who shows one.
func TestDiscoverAliases(t *testing.T) {
	t.Parallel()
	s := wellKnown(t, map[string]string{"/.well-known/oauth-authorization-server": `{"issuer":"ISSUER","token_endpoint":"ISSUER/t",
		"authorization_endpoint":"ISSUER/a","revocation_endpoint":"ISSUER/r","mtls_endpoint_aliases":{"token_endpoint":"https://mtls.as.example/t",
		"Revocation_Endpoint":"https://evil.example/","authorization_endpoint":"https://evil.example/","x":[1]}}`})
	for auth, want := range map[grants.ClientAuth]string{
		grants.TLSClientAuth: "https://mtls.as.example/t", grants.ClientSecretPost: s.URL + "/t",
	} {
		d, err := grants.Discover(t.Context(), &grants.Client{Issuer: s.URL, ID: "id", Auth: auth})
		if err != nil || d.TokenURL != want || d.RevokeURL != s.URL+"/r" || d.AuthorizeURL != s.URL+"/a" {
			t.Errorf("%v: %q, %q, %q, %v", auth, d.TokenURL, d.RevokeURL, d.AuthorizeURL, err)
		}
	}
}

// Keys come over the client's own transport, and over plain http only where the client's other requests may.
func TestDiscoveredKeysTransport(t *testing.T) {
	t.Parallel()
	var asked []string
	c := &grants.Client{Issuer: "http://as.example", ID: "id", Auth: grants.None, InsecureAllowHTTP: true}
	c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.Path)
		return response(200, `{"issuer":"http://as.example","token_endpoint":"http://as.example/t","jwks_uri":"http://as.example/k","keys":[]}`, http.Header{}), nil
	})}
	d, err := grants.Discover(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Keys.Keys(t.Context(), ""); err != nil || len(asked) != 2 || asked[1] != "/k" {
		t.Errorf("%v, asked for %q", err, asked)
	}
}

func TestDiscoverRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, doc, want string }{
		{"other issuer", `{"issuer":"https://evil.example","token_endpoint":"ISSUER/t"}`, "evil.example"},
		{"issuer with a slash more", `{"issuer":"ISSUER/","token_endpoint":"ISSUER/t"}`, "issuer"},
		{"no issuer", `{"token_endpoint":"ISSUER/t"}`, "issuer"},
		{"issuer in another case", `{"Issuer":"ISSUER"}`, "issuer"},
		{"http elsewhere", `{"issuer":"ISSUER","token_endpoint":"http://as.example/t"}`, "https"},
		{"http on another loopback host", `{"issuer":"ISSUER","token_endpoint":"http://localhost/t"}`, "another host"},
		{"not a URL", `{"issuer":"ISSUER","jwks_uri":"x"}`, "jwks_uri"},
		{"all faults", `{"issuer":"ISSUER","token_endpoint":"y","jwks_uri":"x"}`, "TokenURL"},
		{"wrong type", `{"issuer":["ISSUER"]}`, "cannot be read"},
		{"HTML", `<html>`, "cannot be read"},
		{"http keys", `{"issuer":"ISSUER","jwks_uri":"http://as.example/k"}`, "jwks_uri"},
		{"auth", `{"issuer":"ISSUER","token_endpoint_auth_methods_supported":["private_key_jwt"]}`, "private_key_jwt"},
		{"huge", strings.Repeat(" ", 2<<20), "1 MiB"},
	}
	for _, tc := range tests {
		s := wellKnown(t, map[string]string{"/.well-known/oauth-authorization-server": tc.doc})
		_, err := grants.Discover(t.Context(), &grants.Client{Issuer: s.URL, ID: "id", Secret: "s"})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	s := wellKnown(t, nil)
	if _, err := grants.Discover(t.Context(), &grants.Client{Issuer: s.URL}); err == nil || len(s.requests()) != 2 {
		t.Errorf("404: %v after %d requests", err, len(s.requests()))
	}
	if _, err := grants.Discover(t.Context(), &grants.Client{}); err == nil {
		t.Error("no issuer, no error")
	}
}

func TestMetadataURLVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		Cases []struct{ Kind, Issuer, URL string } `json:"metadata_url"`
	}
	readVectors(t, "rfc_examples.json", &file)
	n := 0
	for _, tc := range file.Cases {
		if tc.Issuer == "" {
			continue
		}
		n++
		got := grants.WellKnown(tc.Issuer)
		if strings.HasPrefix(tc.Kind, "oauth") && got[0] != tc.URL || strings.HasPrefix(tc.Kind, "openid") && got[1] != tc.URL {
			t.Errorf("%s: %q, want %q", tc.Kind, got, tc.URL)
		}
	}
	if n != 3 {
		t.Errorf("%d cases", n)
	}
}

func TestPushedAuthorizationRequest(t *testing.T) {
	t.Parallel()
	s := answering(t, 201, `{"request_uri":"urn:ietf:params:oauth:request_uri:6esc","expires_in":60}`)
	c := s.client()
	c.PARURL, c.Scopes = s.URL+"/par", []string{"read"}
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := s.URL + "/authorize?client_id=id&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A6esc"; f.URL != want {
		t.Errorf("URL %q, want %q", f.URL, want)
	}
	got := s.only(t)
	p := got.form(t)
	if p.Get("state") != f.State || p.Get("code_challenge") != grants.Challenge(f.Verifier) || p.Get("scope") != "read" ||
		!strings.HasPrefix(got.Header.Get("Authorization"), "Basic ") {
		t.Errorf("pushed %v", p)
	}
	for _, bad := range []string{`{}`, `{"request_uri":""}`, `{"request_uri":"a\nb"}`} {
		s := answering(t, 201, bad)
		c := s.client()
		c.PARURL = s.URL + "/par"
		if _, err := c.AuthorizationCode(t.Context(), nil); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestLogoutURL(t *testing.T) {
	t.Parallel()
	c := &grants.Client{EndSessionURL: "https://as.example/end?x=1", ID: "id"}
	got := c.LogoutURL(store.Token{IDToken: "a.b.c"}, "https://app.example/bye")
	want := "https://as.example/end?x=1&client_id=id&id_token_hint=a.b.c&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.EndSessionURL = "http://as.example/end"
	if got := c.LogoutURL(store.Token{}, ""); got != "" {
		t.Errorf("%q", got)
	}
}

func TestIntrospect(t *testing.T) {
	t.Parallel()
	full := `{"active":true,"scope":"read write","client_id":"id","username":"u","sub":"s","iss":"https://as.example",
		"aud":["a","b"],"token_type":"Bearer","exp":1767326645,"nbf":1767323045.5,"cnf":{"jkt":"x"}}`
	tests := []struct {
		name, body string
		status     int
		active     bool
		err        bool
	}{
		{"full", full, 200, true, false},
		{"one audience", `{"active":true,"aud":"a"}`, 200, true, false},
		{"inactive", `{"active":false,"scope":"read"}`, 200, false, false},
		{"string", `{"active":"true"}`, 200, false, false},
		{"number", `{"active":1}`, 200, false, false},
		{"another case", `{"Active":true}`, 200, false, false},
		{"absent", `{}`, 200, false, false},
		{"last one counts", `{"active":true,"active":false}`, 200, false, false},
		{"strange expiry", `{"active":true,"exp":{}}`, 200, false, true},
		{"expiry beyond calendars", `{"active":true,"exp":1e300}`, 200, false, true},
		{"strange audience", `{"active":true,"aud":[1]}`, 200, false, true},
		{"null audience", `{"active":true,"aud":null}`, 200, true, false},
		{"strange client", `{"active":true,"client_id":7}`, 200, false, true},
		{"HTML", `<html>`, 200, false, true},
		{"our credentials refused", `{}`, 401, false, true},
		{"down", ``, 503, false, true},
	}
	for _, tc := range tests {
		s := answering(t, tc.status, tc.body)
		c := s.client()
		c.IntrospectURL = s.URL + "/introspect"
		in, err := c.Introspect(t.Context(), "AT-marker")
		if (err != nil) != tc.err || err == nil && in.Active != tc.active {
			t.Errorf("%s: %v, %v", tc.name, in, err)
		}
		if err != nil && strings.Contains(err.Error(), "marker") {
			t.Errorf("%v holds the token", err)
		}
		if err == nil && !in.Active && (in.Scopes != nil || in.Claims != nil) {
			t.Errorf("%s: an inactive token has content", tc.name)
		}
		if got := s.only(t).form(t).Get("token"); got != "AT-marker" {
			t.Errorf("token %q", got)
		}
		if tc.name == "full" && (in.Subject != "s" || len(in.Audience) != 2 || in.Expiry.Unix() != 1767326645 ||
			len(in.Scopes) != 2 || !json.Valid(in.Claims) || !strings.Contains(string(in.Claims), "jkt")) {
			t.Errorf("%+v", *in)
		}
	}
}
