package grants_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

func TestHooksRunInOrderForEveryRequest(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	note := func(mark string) grants.Hook {
		return grants.Hook{
			Request: func(_ context.Context, r *grants.Request) error {
				r.Params.Set("trail", r.Params.Get("trail")+mark)
				r.Header.Set("X-Name", r.Name)
				if r.Params.Has("client_secret") || r.Name != "userinfo" && r.Header.Get("Authorization") != "" {
					return errors.New("the hook sees the client's secret")
				}
				return nil
			},
			Response: func(_ context.Context, r *grants.Response) error {
				r.Body = []byte(strings.Replace(string(r.Body), `"AT`, `"AT`+mark, 1))
				return nil
			},
		}
	}
	c.Hooks = []grants.Hook{note("1"), {}, note("2")}
	rec := &store.Record{Token: store.Token{AccessToken: "AT", RefreshToken: "RT"}}
	tok1, err1 := c.Password(t.Context(), "u", "p")
	tok2, err2 := c.Refresh(t.Context(), rec)
	if err1 != nil || err2 != nil || tok1.AccessToken != "AT21" || tok2.AccessToken != "AT21" {
		t.Fatalf("%v %v %v %v", tok1, err1, tok2, err2)
	}
	if err := errors.Join(c.Revoke(t.Context(), rec), c.UserInfo(t.Context(), rec.Token, new(any))); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"password", "refresh_token", "revoke", "userinfo"} {
		r := s.requests()[i]
		trail := r.form(t).Get("trail")
		if want == "userinfo" {
			trail = strings.TrimPrefix(r.URI, "/userinfo?trail=")
		}
		if trail != "12" || r.Header.Get("X-Name") != want {
			t.Errorf("%s: trail %q, name %q", want, trail, r.Header.Get("X-Name"))
		}
	}
}

func TestHooksFail(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	s := answering(t, 200, okBody)
	rec := &store.Record{Token: store.Token{RefreshToken: "RT1"}}
	request := s.client()
	request.Hooks = []grants.Hook{{Request: func(context.Context, *grants.Request) error { return boom }}}
	_, err := request.Refresh(t.Context(), rec)
	var e *grants.Error
	if !errors.Is(err, boom) || !errors.As(err, &e) || e.Outcome() != keeper.ConfigError || len(s.requests()) != 0 {
		t.Errorf("request hook: %v after %d requests", err, len(s.requests()))
	}
	response := s.client()
	response.Hooks = []grants.Hook{{Response: func(_ context.Context, r *grants.Response) error {
		clear(r.Body)
		return boom
	}}}
	tok, err := response.Refresh(t.Context(), rec)
	if !errors.Is(err, boom) || !errors.As(err, &e) || e.Outcome() != keeper.Unknown || tok.RefreshToken != "RT" {
		t.Errorf("response hook: %v, %v; the refresh token of the answer must not be lost", tok, err)
	}
	leak := s.client()
	leak.Hooks = []grants.Hook{{Response: func(context.Context, *grants.Response) error { return errors.New("bad: RT1-marker") }}}
	if _, err := leak.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: "RT1-marker"}}); strings.Contains(err.Error(), "marker") {
		t.Errorf("%v holds the refresh token", err)
	}
}

// A hook can move a request elsewhere or make it a GET, but not out of the checks.
func TestHooksCannotLeaveTheChecks(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	c.Hooks = []grants.Hook{{Request: func(_ context.Context, r *grants.Request) error {
		r.Method = http.MethodGet
		return nil
	}}}
	c.Auth = grants.ClientSecretPost
	if _, err := c.Password(t.Context(), "u", "p"); err != nil {
		t.Fatal(err)
	}
	if got := s.only(t); got.Method != "GET" || got.Body != "" || query(t, got.URI).Get("client_id") != "id" {
		t.Errorf("%+v", got)
	}
	for _, change := range []func(*grants.Request){
		func(r *grants.Request) { r.URL = "http://elsewhere.example/" },
		func(r *grants.Request) { r.Method = "PUT" },
	} {
		c.Hooks = []grants.Hook{{Request: func(_ context.Context, r *grants.Request) error { change(r); return nil }}}
		if _, err := c.Password(t.Context(), "u", "p"); err == nil {
			t.Error("sent")
		}
	}
	s.only(t)
}

// The quirks for which requests-oauthlib ships hooks. All but Plentymarkets need none here.
func TestComplianceTable(t *testing.T) {
	t.Parallel()
	camel := grants.Hook{Response: func(_ context.Context, r *grants.Response) error {
		var m map[string]any
		if err := json.Unmarshal(r.Body, &m); err != nil {
			return err
		}
		snake := map[string]any{}
		for k, v := range m {
			snake[map[string]string{"accessToken": "access_token", "expiresIn": "expires_in", "refreshToken": "refresh_token"}[k]] = v
		}
		var err error
		r.Body, err = json.Marshal(snake)
		return err
	}}
	tests := []struct {
		name, kind, body string
		status           int
		change           func(*grants.Client)
		class            grants.Class // "": a token that lives an hour
	}{
		{"Facebook", "text/plain", "access_token=AT&expires=3600", 200, nil, ""},
		{"eBay", "application/json", `{"access_token":"AT","token_type":"User Access Token","expires_in":3600}`, 200, nil, ""},
		{"Fitbit", "application/json", `{"errors":[{"errorType":"invalid_grant","message":"m"}]}`, 401, nil, grants.GrantDead},
		{
			"MailChimp", "application/json", `{"access_token":"AT","expires_in":0,"scope":null}`, 200,
			func(c *grants.Client) { c.DefaultTTL = time.Hour }, "",
		},
		{
			"Plentymarkets", "application/json", `{"accessToken":"AT","expiresIn":3600,"refreshToken":"RT"}`, 200,
			func(c *grants.Client) { c.Hooks = []grants.Hook{camel} }, "",
		},
		{"Weibo, Douban", "application/json", `{"access_token":"AT","expires_in":3600}`, 200, nil, ""},
		{"GitHub", "application/x-www-form-urlencoded", "access_token=AT&scope=repo%2Cgist&token_type=bearer&expires_in=3600", 200, nil, ""},
		{
			"GitHub, dead", "application/json", `{"error":"bad_refresh_token"}`, 200,
			func(c *grants.Client) { c.Codes = map[string]grants.Class{"bad_refresh_token": grants.GrantDead} }, grants.GrantDead,
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				w.WriteHeader(tc.status)
				w.Write([]byte(tc.body))
			})
			c := s.client()
			if tc.change != nil {
				tc.change(c)
			}
			_, err1 := c.Exchange(t.Context(), &grants.Flow{
				Provider: "scripted", State: "S", Verifier: strings.Repeat("v", 43), Expires: t0.Add(time.Minute),
			}, url.Values{"code": {"C"}, "state": {"S"}})
			tok, err2 := c.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: "RT"}})
			for _, err := range []error{err1, err2} {
				var e *grants.Error
				if tc.class == "" && (err != nil || tok.Expiry.Sub(t0) != time.Hour) {
					t.Errorf("%v, %v", tok, err)
				} else if tc.class != "" && (!errors.As(err, &e) || e.Class != tc.class) {
					t.Errorf("%v, want %s", err, tc.class)
				}
			}
		})
	}
}

func TestHookValuesPrintNothing(t *testing.T) {
	t.Parallel()
	r := grants.Request{
		Name: "password", Method: "POST", URL: "https://as.example/t?SECRET", Params: url.Values{"password": {"SECRET"}},
		Header: http.Header{"X": {"SECRET"}},
	}
	a := grants.Response{Name: "password", Status: 200, Body: []byte("SECRET"), Header: http.Header{"X": {"SECRET"}}}
	d := grants.DeviceFlow{Provider: "p", DeviceCode: "SECRET", UserCode: "SECRET", VerificationURIComplete: "SECRET"}
	i := grants.Introspection{Username: "SECRET", Claims: []byte(`"SECRET"`)}
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v %v %+v %#v %+v %v", r, &r, r, a, &a, a, d, &d, d, i, &i)
	text += fmt.Sprint(r.LogValue(), a.LogValue(), d.LogValue(), i.LogValue())
	if strings.Contains(text, "SECRET") {
		t.Error(text)
	}
}

// What a hook does to one request's headers stays there.
func TestHookCannotChangeTheConfiguration(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	c.Extra = map[string]grants.Extra{"": {Header: http.Header{"X-Tenant": {"t1"}}}}
	c.Hooks = []grants.Hook{{Request: func(_ context.Context, r *grants.Request) error {
		r.Header["X-Tenant"][0] += "!"
		return nil
	}}}
	for range 2 {
		if _, err := c.ClientCredentials(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range s.requests() {
		if got := r.Header.Get("X-Tenant"); got != "t1!" {
			t.Errorf("X-Tenant %q", got)
		}
	}
}
