package weblogin_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

type callbackCase struct {
	Name, Query string
	Cookie      *string
	Expect      struct {
		Status  int
		Outcome string
	}
	Setup struct {
		Age      int    `json:"flow_age_s"`
		Replay   bool   `json:"replay"`
		Parallel int    `json:"parallel_flows"`
		Token    string `json:"token"`
		Method   string `json:"method"`
		LinkUser string `json:"link_user"`
		LoggedIn string `json:"logged_in_as"`
		Nonce    string `json:"id_token_nonce"`
		Issuer   string `json:"id_token_iss"`
	}
}

// TestCallbackRequests runs testdata/callback_requests.json.
func TestCallbackRequests(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../testdata/callback_requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct{ Cases []*callbackCase }
	if err := json.Unmarshal(data, &table); err != nil || len(table.Cases) < 18 {
		t.Fatalf("%d cases, %v", len(table.Cases), err)
	}
	for _, c := range table.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, c.run)
		})
	}
}

func (c *callbackCase) run(t *testing.T) {
	s := newSite(t, nil)
	if c.Setup.Nonce != "" || c.Setup.Issuer != "" {
		s = newOIDCSite(t, false)
	}
	b := s.browser()
	if c.Setup.LinkUser != "" {
		b.signIn(c.Setup.LinkUser)
	}
	state := b.start("/login?return_to=/home")
	if s.idClaims != nil {
		s.idClaims["nonce"] = cmp.Or(c.Setup.Nonce, b.nonce)
		s.idClaims["iss"] = cmp.Or(c.Setup.Issuer, "https://as.example")
	}
	before := b.session()
	switch {
	case c.Cookie == nil:
		b = s.browser()
	case *c.Cookie == "flow1-as-session":
		c.flowAsSession(b)
		return
	}
	for range max(c.Setup.Parallel-1, 0) {
		b.start("/login")
	}
	if c.Setup.LoggedIn != "" {
		b.drop("__Host-session")
		b.signIn(c.Setup.LoggedIn)
		before = b.session()
	}
	if c.Setup.Token == "timeout" {
		s.provider.answer = func(url.Values) (int, string, error) { return 0, "", context.DeadlineExceeded }
	}
	query := strings.ReplaceAll(c.Query, "state=S1", "state="+state)
	query = strings.ReplaceAll(query, "C1", "code-secret")
	if c.Setup.Replay {
		stolen := b.copied()
		if w := b.callback(query); w.Code != 303 {
			t.Fatalf("first: %d", w.Code)
		}
		before = b.session()
		c.judge(t, s, stolen, 400, stolen.callback(query), state, "")
		if n := len(s.provider.asked); n != 1 {
			t.Errorf("the code was sent %d times", n)
		}
		s.provider.asked = nil
	}
	time.Sleep(time.Duration(c.Setup.Age) * time.Second)
	method := "GET"
	if c.Setup.Method != "" {
		method = c.Setup.Method
	}
	w := b.do(s.web.Callback, method, "/callback?"+query, nil)
	c.judge(t, s, b, c.Expect.Status, w, state, before)
}

func (c *callbackCase) judge(t *testing.T, s *site, b *browser, want int, w *httptest.ResponseRecorder, state, before string) {
	if w.Code != want {
		t.Errorf("status %d, want %d: %s", w.Code, want, c.Expect.Outcome)
	}
	sent := len(s.provider.asked)
	switch out := c.Expect.Outcome; {
	case want == 303 && c.Setup.Replay:
		if sent != 0 || b.session() != before || w.Header().Get("Location") != "/home" {
			t.Errorf("sent %d, %v", sent, w.Header())
		}
	case want == 303:
		if sent != 1 || b.session() == before || b.user() != "alice" || w.Header().Get("Location") != "/home" {
			t.Errorf("sent %d, user %q, %v", sent, b.user(), w.Header())
		}
	case s.idClaims != nil: // the code was good, whose login it was is not
		if sent != 1 || b.session() != before || s.provider.revoke != 1 {
			t.Errorf("sent %d, revoked %d times, session changed: %v", sent, s.provider.revoke, b.session() != before)
		}
	case strings.Contains(out, "exactly once"):
		if sent != 1 || b.session() != before {
			t.Errorf("the code was sent %d times", sent)
		}
		s.provider.answer = nil
		if again := b.start("/login"); b.callback("code=x&state="+again).Code != 303 {
			t.Error("the user cannot start again")
		}
	case !c.Setup.Replay:
		if sent != 0 || b.session() != before {
			t.Errorf("token endpoint asked %d times, session changed: %v", sent, b.session() != before)
		}
		if strings.Contains(out, "flow consumed") {
			if w := b.callback("code=x&state=" + state); w.Code != 400 || len(s.provider.asked) != 0 {
				t.Errorf("the flow was not consumed: %d", w.Code)
			}
		}
	}
	if n := len(b.header()); n >= 4096 {
		t.Errorf("Cookie header of %d bytes", n)
	}
	for _, secret := range []string{"code-secret", state, "script", "access_denied", "at-secret"} {
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("%s is in the answer", secret)
		}
		if secret != "access_denied" && strings.Contains(s.logs.String(), secret) {
			t.Errorf("%s is in the log: %s", secret, s.logs)
		}
	}
}

// flowAsSession presents a login's cookie as the session's.
func (c *callbackCase) flowAsSession(b *browser) {
	for name, value := range b.values {
		b.drop(name)
		b.set("__Host-session", value)
	}
	guard, err := middleware.New(b.keep, middleware.Self, &middleware.Options{Session: b.site.session})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", b.header())
	_, err = guard.Check(httptest.NewRecorder(), r)
	w := httptest.NewRecorder()
	guard.Deny(w, r, err)
	if w.Code != c.Expect.Status {
		b.Errorf("status %d", w.Code)
	}
}

// signIn gives the browser a session of subject by other means.
func (b *browser) signIn(subject string) {
	b.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil)
	if _, err := b.site.session.Start(w, r, &store.Record{Subject: subject}); err != nil {
		b.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		b.set(c.Name, c.Value)
	}
}
