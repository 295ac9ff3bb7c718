package grants_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

func TestClientSecretBasicVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		Basic []struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
			RFC    string `json:"rfc6749"`
			Raw    string `json:"raw_legacy_style"`
		} `json:"client_secret_basic"`
		Form struct{ Input, Encoded string } `json:"form_encoding_rfc6749_appB"`
	}
	readVectors(t, "rfc_examples.json", &file)
	sent := func(auth grants.ClientAuth, id, secret string) (string, error) {
		s := answering(t, 200, okBody)
		c := s.client()
		c.Auth, c.ID, c.Secret = auth, id, secret
		if _, err := c.Password(t.Context(), "u", file.Form.Input); err != nil {
			return "", err
		}
		got := s.only(t)
		if !strings.Contains(got.Body, "password="+file.Form.Encoded) {
			t.Errorf("body %q, want the password as %q", got.Body, file.Form.Encoded)
		}
		return got.Header.Get("Authorization"), nil
	}
	for _, tc := range file.Basic {
		if got, err := sent(grants.ClientSecretBasic, tc.ID, tc.Secret); err != nil || got != tc.RFC {
			t.Errorf("%s: %q, %v, want %q", tc.ID, got, err, tc.RFC)
		}
		got, err := sent(grants.ClientSecretBasicRaw, tc.ID, tc.Secret)
		switch {
		case strings.HasPrefix(tc.Raw, "not expressible"):
			if err == nil || !strings.Contains(err.Error(), "':'") {
				t.Errorf("%s raw: %q, %v, want a refusal", tc.ID, got, err)
			}
		case tc.Raw != "" && got != tc.Raw:
			t.Errorf("%s raw: %q, %v, want %q", tc.ID, got, err, tc.Raw)
		}
	}
	// The unreserved marks are left alone: half of the servers do not decode.
	if got, _ := sent(grants.ClientSecretBasic, "a-b.c", "d_e~f"); got != "Basic YS1iLmM6ZF9lfmY=" {
		t.Errorf("unreserved: %q", got)
	}
}

func TestClientAuthOnEveryEndpoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		auth     grants.ClientAuth
		encoding grants.Encoding
		basic    bool
		body     map[string]string // credentials in the body; "" for absent
		json     bool
	}{
		{"basic", grants.ClientSecretBasic, grants.Form, true, map[string]string{"client_id": "", "client_secret": ""}, false},
		{"raw", grants.ClientSecretBasicRaw, grants.Form, true, map[string]string{"client_id": "", "client_secret": ""}, false},
		{"basic, json", grants.ClientSecretBasic, grants.JSON, true, map[string]string{"client_id": ""}, true},
		{"post", grants.ClientSecretPost, grants.Form, false, map[string]string{"client_id": "id", "client_secret": "s&t"}, false},
		{"post, json", grants.ClientSecretPost, grants.JSON, false, map[string]string{"client_id": "id", "client_secret": "s&t"}, true},
		{"json", grants.ClientSecretJSON, grants.Form, false, map[string]string{"client_id": "id", "client_secret": "s&t"}, true},
		{"none", grants.None, grants.Form, false, map[string]string{"client_id": "id", "client_secret": ""}, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, 200, okBody)
			c := s.client()
			c.Auth, c.Encoding, c.Secret = tc.auth, tc.encoding, "s&t"
			if tc.auth == grants.None {
				c.Secret = ""
			}
			rec := &store.Record{Token: store.Token{RefreshToken: "RT"}}
			_, err1 := c.Password(t.Context(), "u", "p")
			_, err2 := c.Refresh(t.Context(), rec)
			if err3 := c.Revoke(t.Context(), rec); err1 != nil || err2 != nil || err3 != nil {
				t.Fatal(err1, err2, err3)
			}
			for _, r := range s.requests() {
				if got := strings.HasPrefix(r.Header.Get("Authorization"), "Basic "); got != tc.basic {
					t.Errorf("%s: Basic %v, want %v", r.URI, got, tc.basic)
				}
				for name, want := range tc.body {
					var got string
					if tc.json {
						got, _ = r.object(t)[name].(string)
					} else {
						got = r.form(t).Get(name)
					}
					if got != want {
						t.Errorf("%s: %s = %q, want %q", r.URI, name, got, want)
					}
				}
			}
		})
	}
}

// A 401 tells the other Basic style when the secret has characters in which the two differ. It is never tried.
func TestBasicHint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		auth   grants.ClientAuth
		secret string
		want   string
	}{
		{"encoded", grants.ClientSecretBasic, "s3cr/t+x", "ClientSecretBasicRaw"},
		{"raw", grants.ClientSecretBasicRaw, "s3cr/t+x", "want ClientSecretBasic"},
		{"plain secret", grants.ClientSecretBasic, "s3crt-._~", ""},
		{"in the body", grants.ClientSecretPost, "s3cr/t+x", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, http.StatusUnauthorized, `{"error":"invalid_client"}`)
			c := s.client()
			c.Auth, c.Secret = tc.auth, tc.secret
			_, err := c.Password(t.Context(), "u", "p")
			s.only(t)
			if err == nil || strings.Contains(err.Error(), tc.secret) {
				t.Fatalf("error %v", err)
			}
			if got := strings.Contains(err.Error(), "special characters"); got != (tc.want != "") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want mention of %q", err, tc.want)
			}
		})
	}
}

func TestExtra(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	c.Extra = map[string]grants.Extra{
		"":              {Header: http.Header{"X-Version": {"3"}}},
		"password":      {Params: map[string][]string{"audience": {"b", "a"}}, Header: http.Header{"accept": {"text/plain"}}},
		"refresh_token": {Params: map[string][]string{"redirect_uri": {"https://app.example/"}}},
		"authorize":     {Params: map[string][]string{"access_type": {"offline"}, "prompt": {"consent"}}},
		"userinfo":      {Params: map[string][]string{"fields": {"id,name"}}},
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	rec := &store.Record{Token: store.Token{AccessToken: "AT", RefreshToken: "RT"}}
	_, err1 := c.Password(t.Context(), "u", "p")
	_, err2 := c.Refresh(t.Context(), rec)
	err3 := c.UserInfo(t.Context(), rec.Token, new(map[string]any))
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	got := s.requests()
	if f := got[0].form(t); strings.Join(f["audience"], " ") != "b a" {
		t.Errorf("audience %q: order not kept", f["audience"])
	}
	if h := got[0].Header; h.Get("Accept") != "text/plain" || h.Get("X-Version") != "3" {
		t.Errorf("headers %v", h)
	}
	if f := got[1].form(t); f.Get("redirect_uri") != "https://app.example/" || f.Has("audience") {
		t.Errorf("refresh %v", f)
	}
	if got[2].URI != "/userinfo?fields=id%2Cname" || got[2].Header.Get("X-Version") != "" {
		t.Errorf("userinfo %q", got[2].URI)
	}
	flow, err := c.AuthorizationCode(t.Context(), &grants.FlowOptions{Params: map[string][]string{"prompt": {"login"}}})
	if err != nil {
		t.Fatal(err)
	}
	if q := query(t, flow.URL); q.Get("access_type") != "offline" || strings.Join(q["prompt"], " ") != "login" {
		t.Errorf("authorize %v", q)
	}
}
