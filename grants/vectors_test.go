package grants_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

type tokenCase struct {
	Name        string
	Status      int
	ContentType string `json:"content_type"`
	Body        json.RawMessage
	Headers     map[string]string
	Expect      struct {
		Class             string
		AT, RT, Code      string
		ExpiresIn         json.RawMessage `json:"expires_in"`
		Clamped           bool            `json:"expires_in_clamped"`
		Scope             []string
		SameScope         bool `json:"scope_same_as_request"`
		RetryAfter        int  `json:"retry_after"`
		RetryAfterClamped bool `json:"retry_after_clamped"`
	}
}

// TestTokenResponses refreshes RT1 at a provider that gives each answer of the vector file.
func TestTokenResponses(t *testing.T) {
	t.Parallel()
	var file struct{ Cases []tokenCase }
	readVectors(t, "token_responses.json", &file)
	if len(file.Cases) != 53 {
		t.Fatalf("%d cases, want 53", len(file.Cases))
	}
	for _, tc := range file.Cases {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			c, requests := tc.client(t)
			rec := &store.Record{Provider: "scripted", Token: store.Token{
				AccessToken: "AT1", RefreshToken: "RT1-the-old-one", Scopes: []string{"read", "write"},
			}}
			tok, err := c.Refresh(t.Context(), rec)
			if n := requests(); n > 1 {
				t.Errorf("%d requests, want at most one", n)
			}
			if strings.HasPrefix(tc.Expect.Class, "ok") {
				tc.checkToken(t, tok, err)
			} else {
				tc.checkError(t, tok, err)
			}
		})
	}
}

func (tc *tokenCase) client(t *testing.T) (*grants.Client, func() int) {
	t.Helper()
	var text string
	var odd struct {
		Pad     int    `json:"json_pad"`
		Nest    int    `json:"nest"`
		Reset   string `json:"reset"`
		Refused bool   `json:"refused"`
		DNS     string `json:"dns"`
	}
	if json.Unmarshal(tc.Body, &text) != nil {
		if err := json.Unmarshal(tc.Body, &odd); err != nil {
			t.Fatal(err)
		}
	}
	switch {
	case odd.Pad > 0:
		text = `{"access_token":"AT2","token_type":"Bearer","pad":"` + strings.Repeat("x", odd.Pad) + `"}`
	case odd.Nest > 0:
		text = `{"access_token":"AT2","x":` + strings.Repeat("[", odd.Nest) + strings.Repeat("]", odd.Nest) + `}`
	}
	s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		if odd.Reset != "" {
			reset(t, w)
			return
		}
		w.Header()["Content-Type"] = nil // never sniffed
		if tc.ContentType != "" {
			w.Header().Set("Content-Type", tc.ContentType)
		}
		for k, v := range tc.Headers {
			w.Header().Set(k, v)
		}
		w.WriteHeader(tc.Status)
		io.WriteString(w, text)
	})
	c := s.client()
	switch {
	case odd.Refused:
		s.Close()
	case odd.DNS != "":
		c.TokenURL = "https://as.example/token"
		c.HTTP = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "as.example", IsNotFound: true}
		}}}
	}
	return c, func() int { return len(s.requests()) }
}

// reset ends the connection without an answer.
func reset(t *testing.T, w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func (tc *tokenCase) checkToken(t *testing.T, tok store.Token, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("error %v, want a token", err)
	}
	if tc.Expect.AT != "" && tok.AccessToken != tc.Expect.AT || tok.AccessToken == "" {
		t.Errorf("access token %q, want %q", tok.AccessToken, tc.Expect.AT)
	}
	stored := tok.RefreshToken // what the keeper would store
	if stored == "" {
		stored = "RT1"
	}
	if tc.Expect.RT != "" && stored != tc.Expect.RT {
		t.Errorf("refresh token %q, want %q", stored, tc.Expect.RT)
	}
	var seconds int
	switch {
	case tc.Expect.Clamped:
		if life := tok.Expiry.Sub(t0); life != 10*365*24*time.Hour {
			t.Errorf("lifetime %v, want ten years", life)
		}
	case json.Unmarshal(tc.Expect.ExpiresIn, &seconds) == nil && string(tc.Expect.ExpiresIn) != "null":
		if life := tok.Expiry.Sub(t0); life != time.Duration(seconds)*time.Second {
			t.Errorf("lifetime %v, want %d s", life, seconds)
		}
	default: // null, absent, or the choice that the documentation makes for zero
		if len(tc.Expect.ExpiresIn) > 0 && !tok.Expiry.IsZero() {
			t.Errorf("expiry %v, want none", tok.Expiry)
		}
	}
	want := tc.Expect.Scope
	if tc.Expect.SameScope {
		want = []string{"read", "write"}
	}
	if want != nil && !slices.Equal(tok.Scopes, want) {
		t.Errorf("scopes %q, want %q", tok.Scopes, want)
	}
}

func (tc *tokenCase) checkError(t *testing.T, tok store.Token, err error) {
	t.Helper()
	var e *grants.Error
	if !errors.As(err, &e) {
		t.Fatalf("token %v, error %v, want a *grants.Error", tok, err)
	}
	if string(e.Class) != tc.Expect.Class || e.Code != tc.Expect.Code {
		t.Errorf("class %s, code %q, want %s, %q (%v)", e.Class, e.Code, tc.Expect.Class, tc.Expect.Code, err)
	}
	if want := outcomes[tc.Expect.Class]; e.Outcome() != want && e.Status/100 != 3 {
		t.Errorf("outcome %v, want %v", e.Outcome(), want)
	}
	wait := time.Duration(tc.Expect.RetryAfter) * time.Second
	if tc.Expect.RetryAfterClamped {
		wait = time.Hour
	}
	if e.RetryAfter() != wait {
		t.Errorf("retry after %v, want %v", e.RetryAfter(), wait)
	}
	for _, bad := range []string{"RT1", "RT2", "AT2", "secret", "<", "\r", "\n", "\x1b", "xxxx", "[["} {
		if strings.Contains(err.Error(), bad) {
			t.Errorf("the error %q holds %q", err, bad)
		}
	}
	if tok.AccessToken != "" {
		t.Errorf("an access token came with the error")
	}
}

// outcomes is the mapping that the refresh protocol prescribes for the classes of the vector file.
var outcomes = map[string]keeper.Outcome{
	"grant_dead":             keeper.Dead,
	"config_error":           keeper.ConfigError,
	"oauth_error":            keeper.ConfigError,
	"unsupported_token_type": keeper.ConfigError,
	"retry_later":            keeper.RetryLater,
	"unknown_outcome":        keeper.Unknown,
	"too_large":              keeper.Unknown,
	"protocol_error":         keeper.Unknown, // of a 2xx; a redirect is ConfigError
}
