package grants_test

import (
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

func TestClasses(t *testing.T) {
	t.Parallel()
	codes := map[string]grants.Class{"bad_refresh_token": grants.GrantDead}
	tests := []struct {
		name   string
		status int
		body   string
		class  grants.Class
		code   string
		desc   string
	}{
		{"dead with 400", 400, `{"error":"invalid_grant"}`, grants.GrantDead, "invalid_grant", ""},
		{"dead with 401", 401, `{"error":"invalid_grant"}`, grants.GrantDead, "invalid_grant", ""},
		{"dead with 500", 500, `{"error":"invalid_grant"}`, grants.GrantDead, "invalid_grant", ""},
		{"mapped code", 200, `{"error":"bad_refresh_token"}`, grants.GrantDead, "bad_refresh_token", ""},
		{"unknown code", 403, `{"error":"access_denied"}`, grants.OAuthError, "access_denied", ""},
		{"unknown code with 500", 500, `{"error":"oops"}`, grants.UnknownOutcome, "oops", ""},
		{"server error with 400", 400, `{"error":"server_error"}`, grants.UnknownOutcome, "server_error", ""},
		{"any code with 429", 429, `{"error":"invalid_request"}`, grants.RetryLater, "invalid_request", ""},
		{"client with 500", 500, `{"error":"invalid_client"}`, grants.ConfigError, "invalid_client", ""},
		{"401 without a code", 401, ``, grants.ConfigError, "", ""},
		{"404 without a code", 404, `<html>`, grants.ConfigError, "", ""},
		{"400 without a code", 400, `{}`, grants.RetryLater, "", ""},
		{"408", 408, ``, grants.RetryLater, "", ""},
		{"504", 504, ``, grants.UnknownOutcome, "", ""},
		{"304", 304, ``, grants.ProtocolError, "", ""},
		{"Fitbit", 400, `{"errors":[{"errorType":"invalid_grant","message":"m"}],"success":false}`, grants.GrantDead, "invalid_grant", "m"},
		{"Facebook", 400, `{"error":{"message":"m","type":"OAuthException","code":190}}`, grants.RetryLater, "", "m"},
		{"nested code", 400, `{"error":{"code":"invalid_grant"}}`, grants.GrantDead, "invalid_grant", ""},
		{"Ushahidi", 400, `{"errors":[{"status":400,"title":"t"}]}`, grants.RetryLater, "", "t"},
		{"a sentence", 400, `{"error":"Wrong password given"}`, grants.RetryLater, "", "Wrong password given"},
		{"a number", 400, `{"error":400,"message":"m"}`, grants.RetryLater, "", "m"},
		{"a list of nothing", 400, `{"errors":[ ]}`, grants.RetryLater, "", ""},
		{"form", 400, `error=invalid_grant&error_description=a+b`, grants.GrantDead, "invalid_grant", "a b"},
		{"code in another case", 400, `{"error":"INVALID_GRANT"}`, grants.OAuthError, "INVALID_GRANT", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := answering(t, tc.status, tc.body)
			c := s.client()
			c.Codes = codes
			_, err := c.Password(t.Context(), "u", "p")
			var e *grants.Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			if e.Class != tc.class || e.Code != tc.code || e.Description != tc.desc || e.Status != tc.status {
				t.Errorf("%s %q %q %d, want %s %q %q %d", e.Class, e.Code, e.Description, e.Status, tc.class, tc.code, tc.desc, tc.status)
			}
		})
	}
}

func TestErrorURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://as.example/e?x=1": "https://as.example/e?x=1", "javascript:alert(1)": "", "/e": "", "%zz": "",
	} {
		_, err := answering(t, 400, `{"error":"invalid_grant","error_uri":"`+uri+`"}`).client().Password(t.Context(), "u", "p")
		var e *grants.Error
		if !errors.As(err, &e) || e.URI != want {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

// The exported table is what decides, and nobody can change it.
func TestRules(t *testing.T) {
	t.Parallel()
	dead := 0
	for i, r := range grants.Rules() {
		if r.Class == grants.GrantDead {
			dead++
			if r.Code != grants.InvalidGrant || r.Status != 0 {
				t.Errorf("rule %d ends grants: %+v", i, r)
			}
		}
	}
	if dead != 1 {
		t.Errorf("%d rules end a grant, want 1", dead)
	}
	grants.Rules()[0].Class = grants.RetryLater
	if grants.Rules()[0].Class != grants.GrantDead {
		t.Error("Rules hands out its own memory")
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"7", 7 * time.Second},
		{" 7 ", 7 * time.Second},
		{"3601", time.Hour},
		{"99999999999999999999", time.Hour},
		{"-5", 0},
		{"soon", 0},
		{"1.5", 0},
		{t0.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{t0.Add(-90 * time.Second).Format(http.TimeFormat), 0},
		{t0.Add(90 * time.Hour).Format(http.TimeFormat), time.Hour},
	}
	for _, tc := range tests {
		s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", tc.header)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		_, err := s.client().Password(t.Context(), "u", "p")
		var e *grants.Error
		if !errors.As(err, &e) || e.RetryAfter() != tc.want || e.Outcome() != keeper.RetryLater {
			t.Errorf("%q: %v, want %v", tc.header, err, tc.want)
		}
	}
}

// Whatever a server echoes, and where, no secret of the request gets into an error.
func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	const password, refresh, secret, at = "pass/word+marker", "RT-marker-42", "cs/marker=", "AT-marker-42"
	echoes := map[string]func(*http.Request) string{
		"password":      func(*http.Request) string { return password },
		"refresh token": func(*http.Request) string { return refresh },
		"client secret": func(*http.Request) string { return secret },
		"access token":  func(*http.Request) string { return at },
		"credentials":   func(r *http.Request) string { return r.Header.Get("Authorization") },
		"escaped":       func(*http.Request) string { return url.QueryEscape(password) + url.QueryEscape(secret) },
	}
	calls := []func(*grants.Client, *store.Record) error{
		func(c *grants.Client, _ *store.Record) error {
			_, err := c.Password(t.Context(), "u", password)
			return err
		},
		func(c *grants.Client, rec *store.Record) error { _, err := c.Refresh(t.Context(), rec); return err },
		func(c *grants.Client, rec *store.Record) error { return c.Revoke(t.Context(), rec) },
		func(c *grants.Client, rec *store.Record) error { return c.UserInfo(t.Context(), rec.Token, new(any)) },
		func(c *grants.Client, rec *store.Record) error { _, err := c.Introspect(t.Context(), at); return err },
		func(c *grants.Client, rec *store.Record) error {
			_, err := c.JWTBearer(t.Context(), refresh)
			return err
		},
	}
	sent := [][]string{{password, secret}, {refresh, secret}, {refresh, secret}, {at}, {at, secret}, {refresh, secret}}
	for name, echo := range echoes {
		for _, auth := range []grants.ClientAuth{grants.ClientSecretBasic, grants.ClientSecretBasicRaw, grants.ClientSecretPost} {
			s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := json.Marshal(map[string]string{
					"error": "bad:" + echo(r), "error_description": "given: " + echo(r) + ".", "error_uri": "https://as.example/?" + echo(r),
				})
				w.WriteHeader(400)
				w.Write(b)
			})
			c := s.client()
			c.Auth, c.Secret, c.IntrospectURL = auth, secret, s.URL+"/introspect"
			rec := &store.Record{Token: store.Token{AccessToken: at, RefreshToken: refresh}}
			for i, call := range calls {
				err := call(c, rec)
				text := fmt.Sprintf("%v %+v %#v %s", err, err, err, err)
				credentials := strings.TrimPrefix(s.requests()[i].Header.Get("Authorization"), "Basic ")
				for _, bad := range append(sent[i], credentials) {
					if bad != "" && (strings.Contains(text, bad) || strings.Contains(text, url.QueryEscape(bad))) {
						t.Errorf("%s, %v, request %d: %q holds %q", name, auth, i, text, bad)
					}
				}
			}
		}
	}
}

func TestClientPrintsNoSecret(t *testing.T) {
	t.Parallel()
	c := &grants.Client{Provider: "p", ID: "id", Secret: "SECRET", TokenURL: "https://as.example/?k=SECRET"}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %s %v", c, *c, c, c, grants.Clients{c}) + string(b) + c.LogValue().String()
	if strings.Contains(text, "SECRET") || !strings.Contains(text, "client_secret_basic") {
		t.Error(text)
	}
}
