package grants_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

func query(t *testing.T, raw string) url.Values {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// stored takes a flow through JSON, as weblogin's cookie does.
func stored(t *testing.T, f *grants.Flow) *grants.Flow {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var g grants.Flow
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return &g
}

func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	c.Scopes = []string{"read", "write"}
	flow, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, flow.URL)
	if !strings.HasPrefix(flow.URL, s.URL+"/authorize?response_type=code&client_id=id&") {
		t.Errorf("URL %q", flow.URL)
	}
	want := url.Values{
		"response_type": {"code"}, "client_id": {"id"}, "redirect_uri": {"https://app.example/callback"}, "scope": {"read write"},
		"state": {flow.State}, "code_challenge_method": {"S256"}, "code_challenge": {grants.Challenge(flow.Verifier)},
	}
	if !reflect.DeepEqual(q, want) {
		t.Errorf("query %v, want %v", q, want)
	}
	if !flow.Expires.Equal(t0.Add(10 * time.Minute)) {
		t.Errorf("good until %v", flow.Expires)
	}
	if len(flow.State) < 26 || len(flow.Verifier) != 43 || flow.Nonce != "" {
		t.Errorf("state of %d, verifier of %d characters, nonce %q", len(flow.State), len(flow.Verifier), flow.Nonce)
	}
	tok, err := c.Exchange(t.Context(), stored(t, flow), url.Values{"code": {"C1"}, "state": {flow.State}})
	if err != nil || tok.AccessToken != "AT" {
		t.Fatal(tok, err)
	}
	body := s.only(t).form(t)
	want = url.Values{
		"grant_type": {"authorization_code"}, "code": {"C1"}, "redirect_uri": {"https://app.example/callback"},
		"code_verifier": {flow.Verifier},
	}
	if !reflect.DeepEqual(body, want) {
		t.Errorf("body %v, want %v", body, want)
	}
}

func TestAuthorizeURLIsKept(t *testing.T) {
	t.Parallel()
	c := &grants.Client{AuthorizeURL: "https://as.example/a%2Fb/?tenant=x%20y", ID: "id", Auth: grants.None, Provider: "p"}
	flow, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil || !strings.HasPrefix(flow.URL, c.AuthorizeURL+"&response_type=code&") {
		t.Errorf("%v, %v", flow, err)
	}
	if q := query(t, flow.URL); q.Has("scope") || q.Has("redirect_uri") {
		t.Errorf("query %v has what was not configured", q)
	}
}

func TestFlowsShareNothing(t *testing.T) {
	t.Parallel()
	c := &grants.Client{AuthorizeURL: "https://as.example/a", ID: "id", Auth: grants.None, Provider: "p", Scopes: []string{"openid"}}
	seen := map[string]bool{}
	for range 100 {
		f, err := c.AuthorizationCode(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{f.State, f.Verifier, f.Nonce} {
			if s == "" || seen[s] {
				t.Fatalf("%q repeats or is empty", s)
			}
			seen[s] = true
		}
		if q := query(t, f.URL); q.Get("nonce") != f.Nonce {
			t.Fatal("the nonce is not in the URL")
		}
	}
}

func TestPKCEVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		B struct {
			Verifier  string
			Challenge string `json:"challenge_S256"`
		} `json:"pkce_rfc7636_appB"`
		Grammar []struct {
			Verifier string
			OK       bool
		} `json:"pkce_verifier_grammar"`
	}
	readVectors(t, "rfc_examples.json", &file)
	if got := grants.Challenge(file.B.Verifier); got != file.B.Challenge || got == "" {
		t.Errorf("challenge %q, want %q", got, file.B.Challenge)
	}
	for _, tc := range file.Grammar {
		s := answering(t, 200, okBody)
		c := s.client()
		f := &grants.Flow{Provider: "scripted", State: "S1", Verifier: tc.Verifier, Expires: t0.Add(time.Minute)}
		_, err := c.Exchange(t.Context(), f, url.Values{"code": {"C1"}, "state": {"S1"}})
		if (err == nil) != tc.OK {
			t.Errorf("verifier %q: %v, want ok %v", tc.Verifier, err, tc.OK)
		}
	}
}

func TestIssuerVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		Cases []struct {
			Stored   string          `json:"stored_issuer"`
			Callback json.RawMessage `json:"callback_iss"`
			Promised bool            `json:"metadata_says_supported"`
			OK       bool
		} `json:"iss_rfc9207"`
	}
	readVectors(t, "rfc_examples.json", &file)
	if len(file.Cases) != 7 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	for _, tc := range file.Cases {
		s := answering(t, 200, okBody)
		c := s.client()
		c.Issuer, c.RequireIss = tc.Stored, tc.Promised
		flow, err := c.AuthorizationCode(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		back := url.Values{"code": {"C1"}, "state": {flow.State}}
		var one string
		var many []string
		switch {
		case json.Unmarshal(tc.Callback, &many) == nil && many != nil:
			back["iss"] = many
		case json.Unmarshal(tc.Callback, &one) == nil && string(tc.Callback) != "null":
			back.Set("iss", one)
		}
		_, err = c.Exchange(t.Context(), flow, back)
		if (err == nil) != tc.OK || !tc.OK && !errors.Is(err, grants.ErrCallback) {
			t.Errorf("%s: %v, want ok %v", tc.Callback, err, tc.OK)
		}
		if n := len(s.requests()); (n == 1) != tc.OK {
			t.Errorf("%s: %d token requests", tc.Callback, n)
		}
	}
}

// TestCallbackVectors gives Exchange every query of the vector file that is a matter of this package.
func TestCallbackVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		Cases []struct {
			Name, Query string
			Cookie      *string
			Setup       struct {
				Age    int    `json:"flow_age_s"`
				Token  string `json:"token"`
				Method string `json:"method"`
				Nonce  string `json:"id_token_nonce"`
				Issuer string `json:"id_token_iss"`
			}
			Expect struct {
				Status  int
				Outcome string
			}
		}
	}
	readVectors(t, "callback_requests.json", &file)
	key := signer("ES256")
	here, idTokens := 0, 0
	for _, tc := range file.Cases {
		if tc.Setup.Token != "" || tc.Setup.Method != "" || tc.Cookie != nil && *tc.Cookie != "flow1" {
			continue
		}
		back, err := url.ParseQuery(tc.Query)
		if err != nil {
			t.Fatal(err)
		}
		claims := map[string]any{}
		if tc.Setup.Nonce != "" {
			claims["nonce"] = tc.Setup.Nonce
		}
		if tc.Setup.Issuer != "" {
			claims["iss"] = tc.Setup.Issuer
		}
		s := answering(t, 200, `{"access_token":"AT","token_type":"Bearer","id_token":"`+idToken(t, key, claims)+`"}`)
		c := s.client()
		c.Issuer, c.Keys = "https://as.example", jose.KeySet{key.Key()}
		f := &grants.Flow{
			Provider: "scripted", Issuer: c.Issuer, State: "S1", Verifier: strings.Repeat("v", 43), Nonce: "N1",
			Expires: t0.Add(10*time.Minute - time.Duration(tc.Setup.Age)*time.Second),
		}
		if tc.Cookie == nil {
			f = nil
		}
		want := grants.ErrCallback
		sent := 0
		switch {
		case len(claims) > 0:
			want, sent = grants.ErrIDToken, 1
			idTokens++
		case tc.Query == "code=C1&state=S1" && tc.Setup.Age == 0:
			want, sent = nil, 1
		}
		_, err = c.Exchange(t.Context(), f, back)
		if !errors.Is(err, want) || len(s.requests()) != sent {
			t.Errorf("%s: %v after %d requests", tc.Name, err, len(s.requests()))
		}
		if err != nil {
			here++
			for _, bad := range []string{"C1", "C2", "S1", "S9", "N1", "<"} {
				if strings.Contains(err.Error(), bad) {
					t.Errorf("%s: %v echoes %q", tc.Name, err, bad)
				}
			}
		}
	}
	if here != 11 || idTokens != 2 {
		t.Errorf("%d refusals, want 11; %d of ID tokens, want 2", here, idTokens)
	}
}

func TestExchangeRefuses(t *testing.T) {
	t.Parallel()
	back := func(f *grants.Flow) url.Values { return url.Values{"code": {"C1"}, "state": {f.State}} }
	tests := []struct {
		name   string
		change func(c *grants.Client, f *grants.Flow) url.Values
		want   string
	}{
		{"no state", func(_ *grants.Client, f *grants.Flow) url.Values {
			return url.Values{"code": {"C1"}}
		}, "state"},
		{"state with more after it", func(_ *grants.Client, f *grants.Flow) url.Values {
			return url.Values{"code": {"C1"}, "state": {f.State + "x"}}
		}, "state"},
		{"flow without state", func(_ *grants.Client, f *grants.Flow) url.Values {
			f.State = ""
			return url.Values{"code": {"C1"}, "state": {""}}
		}, "no flow"},
		{"state twice", func(_ *grants.Client, f *grants.Flow) url.Values {
			return url.Values{"code": {"C1"}, "state": {f.State, f.State}}
		}, "more than once"},
		{"other provider", func(_ *grants.Client, f *grants.Flow) url.Values {
			f.Provider = "other"
			return back(f)
		}, "other"},
		{"issuer unexpected", func(_ *grants.Client, f *grants.Flow) url.Values {
			return url.Values{"code": {"C1"}, "state": {f.State}, "iss": {"https://as.example"}}
		}, "Client.Issuer is empty"},
		{"verifier lost", func(_ *grants.Client, f *grants.Flow) url.Values {
			f.Verifier = ""
			return back(f)
		}, "verifier"},
		{"empty code", func(_ *grants.Client, f *grants.Flow) url.Values {
			return url.Values{"code": {""}, "state": {f.State}}
		}, "no code"},
		{"token beside the code", func(_ *grants.Client, f *grants.Flow) url.Values {
			return url.Values{"code": {"C1"}, "state": {f.State}, "access_token": {"AT"}}
		}, "access token"},
		{"just expired", func(_ *grants.Client, f *grants.Flow) url.Values {
			f.Expires = t0
			return back(f)
		}, "expired"},
		{"state dropped, but wrong when there", func(c *grants.Client, f *grants.Flow) url.Values {
			c.InsecureNoState = true
			return url.Values{"code": {"C1"}, "state": {"S9"}}
		}, "state"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, 200, okBody)
			c := s.client()
			f, err := c.AuthorizationCode(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Exchange(t.Context(), f, tc.change(c, f))
			if !errors.Is(err, grants.ErrCallback) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want ErrCallback about %q", err, tc.want)
			}
			if n := len(s.requests()); n != 0 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

func TestInsecureFlows(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	c.InsecureNoPKCE = true
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil || f.Verifier != "" || query(t, f.URL).Has("code_challenge") {
		t.Fatal(f, err)
	}
	if _, err := c.Exchange(t.Context(), f, url.Values{"code": {"C1"}, "state": {f.State}}); err != nil {
		t.Error(err)
	}
	c.InsecureNoState = true
	if _, err := c.AuthorizationCode(t.Context(), nil); err == nil {
		t.Error("neither PKCE nor state, and no error")
	}
	c.InsecureNoPKCE = false
	f, err = c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exchange(t.Context(), f, url.Values{"code": {"C1"}}); err != nil {
		t.Error(err)
	}
}

// An error in the callback is the server's word: its code, no status, the description made fit for logs.
func TestCallbackError(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Exchange(t.Context(), f, url.Values{
		"error": {"access_denied"}, "error_description": {"the user\r\nsaid \x1b[31mno" + strings.Repeat("!", 1000)}, "state": {f.State},
	})
	var e *grants.Error
	if !errors.As(err, &e) || e.Code != grants.AccessDenied || e.Status != 0 || errors.Is(err, grants.ErrCallback) {
		t.Fatalf("%v", err)
	}
	if strings.ContainsAny(e.Description, "\r\n\x1b") || len(e.Description) > 310 || len(s.requests()) != 0 {
		t.Errorf("description %q", e.Description)
	}
}

func TestFlowPrintsNothing(t *testing.T) {
	t.Parallel()
	f := &grants.Flow{Provider: "p", State: "STATE", Verifier: "VERIFIER", Nonce: "NONCE", URL: "https://as/?state=STATE"}
	text := fmt.Sprintf("%v %+v %#v %s %q %v", f, f, *f, f, f, []any{f, *f}) + f.LogValue().String()
	for _, bad := range []string{"STATE", "VERIFIER", "NONCE"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q holds %q", text, bad)
		}
	}
}
