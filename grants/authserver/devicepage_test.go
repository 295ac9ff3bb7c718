package authserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Somebody without an account cannot try codes, somebody with one not many.
func TestUserCodesAreNotGuessed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDevices(t, func(set *setup) { set.options.MaxAttempts = 3 })
		device, user := svc.authorizeDevice()
		if got := svc.connect("user_code", user, "username", "bob", "password", "guess"); got.StatusCode != 403 || strings.Contains(got.body, "The &lt;TV") {
			t.Errorf("page %d %s", got.StatusCode, got.body)
		}
		carried := ""
		for _, guess := range []string{"BBBB-BBBB", "", "BBBB-BBBBB"} {
			var got *reply
			if carried == "" {
				carried, got = svc.enter(guess)
			} else { // the page knows who has signed in
				got = svc.connect("user_code", guess, "request", carried)
			}
			if got.StatusCode != 400 || !strings.Contains(got.body, "not right") || strings.Contains(got.body, `name="password"`) {
				t.Errorf("%q: %d %s", guess, got.StatusCode, got.body)
			}
		}
		for name, got := range map[string]*reply{
			"with the page": svc.connect("user_code", user, "request", carried),
			"starting anew": svc.connect("user_code", user, "username", "bob", "password", password),
		} {
			if got.StatusCode != 429 || !strings.Contains(got.body, "Too many") {
				t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
			}
		}
		time.Sleep(9 * time.Minute)
		svc.poll(device).want(t, 400, "authorization_pending")
		if got := svc.connect("user_code", user, "username", "alice@example.org", "password", password); got.StatusCode != 200 {
			t.Errorf("another account: %d %s", got.StatusCode, got.body)
		}
		for range 3 {
			svc.connect("user_code", user, "username", "bob", "password", "guess")
		}
		if _, got := svc.enter(user); got.StatusCode != 429 {
			t.Errorf("after three wrong passwords: %d", got.StatusCode)
		}
	})
}

func TestDevicePageIsSafe(t *testing.T) {
	t.Parallel()
	svc, twin := newDevices(t, nil), newDevices(t, nil)
	_, user := svc.authorizeDevice()
	page := svc.do(httptest.NewRequest("GET", `/device?user_code="><script>`, nil))
	carried, consent := svc.enter(user)
	for _, got := range []*reply{page, consent, svc.connect("request", "x"), svc.connect("user_code", `"><script>`, "username", `"><script>`, "password", "x")} {
		csp := got.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") ||
			got.Header.Get("X-Frame-Options") != "DENY" || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("headers %v", got.Header)
		}
		if strings.Contains(got.body, "<script") || strings.Contains(got.body, "http:") || strings.Contains(got.body, "https:") {
			t.Errorf("page %s", got.body)
		}
	}
	for _, part := range []string{`<html lang="en">`, `<label for="user_code">`, `<label for="username">`, `<label for="password">`, "<main>", "<h1>"} {
		if !strings.Contains(page.body, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	authorize, _ := svc.page(codeQuery)
	elsewhere, _ := twin.enter(func() string { _, user := twin.authorizeDevice(); return user }())
	for name, tt := range map[string]struct {
		request, site string
		status        int
	}{
		"another site":          {carried, "cross-site", 403},
		"a sibling":             {carried, "same-site", 403},
		"not sealed":            {"???", "same-origin", 400},
		"changed":               {carried[:len(carried)-2] + "AA", "same-origin", 400},
		"another server's":      {elsewhere, "same-origin", 400},
		"of the authorize page": {authorize, "same-origin", 400},
	} {
		r := httptest.NewRequest("POST", "/device", strings.NewReader(form("request", tt.request, "decision", "allow")))
		r.Header.Set("Content-Type", formBody)
		r.Header.Set("Sec-Fetch-Site", tt.site)
		if got := svc.do(r); got.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", name, got.StatusCode, tt.status)
		}
	}
	if got := svc.answer("request", carried, "decision", "allow"); got.StatusCode != 400 {
		t.Errorf("the authorize page took it: %d", got.StatusCode)
	}
	r := httptest.NewRequest("PUT", "/device", nil)
	if got := svc.do(r); got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d", got.StatusCode)
	}
	if got := svc.do(httptest.NewRequest("GET", "/device?user_code="+strings.Repeat("x", 9<<10), nil)); got.StatusCode != 414 {
		t.Errorf("a long query: %d", got.StatusCode)
	}
	if got := svc.connect("user_code", "a", "user_code", "b"); got.StatusCode != 400 {
		t.Errorf("two codes: %d", got.StatusCode)
	}
	if got := svc.connect("request", carried, "decision", "allow"); got.StatusCode != 200 {
		t.Errorf("the page itself: %d %s", got.StatusCode, got.body)
	}
	if got := svc.connect("request", carried, "decision", "deny"); got.StatusCode != 400 {
		t.Errorf("answered twice: %d", got.StatusCode)
	}
}

func TestDevicePageGoesStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDevices(t, nil)
		carried, _ := svc.enter("BBBB-BBBB")
		time.Sleep(15 * time.Minute)
		_, user := svc.authorizeDevice()
		if got := svc.connect("request", carried, "user_code", user); got.StatusCode != 400 || !strings.Contains(got.body, "out of date") {
			t.Errorf("page %d %s", got.StatusCode, got.body)
		}
	})
}

func TestDevicePageWithAnotherLogin(t *testing.T) {
	t.Parallel()
	svc := newDevices(t, func(set *setup) {
		set.options.Authenticate = func(w http.ResponseWriter, r *http.Request) (string, bool) {
			c, err := r.Cookie("session")
			if err != nil {
				http.Redirect(w, r, "/login", http.StatusSeeOther)
				return "", false
			}
			return c.Value, true
		}
	})
	send := func(method, session string, pairs ...string) *reply {
		r := httptest.NewRequest(method, "/device", strings.NewReader(form(pairs...)))
		r.Header.Set("Content-Type", formBody)
		if session != "-" {
			r.AddCookie(&http.Cookie{Name: "session", Value: session})
		}
		return svc.do(r)
	}
	device, user := svc.authorizeDevice()
	for _, method := range []string{"GET", "POST"} {
		if got := send(method, "-", "user_code", user); got.StatusCode != 303 {
			t.Errorf("%s by nobody: %d", method, got.StatusCode)
		}
		if got := send(method, "", "user_code", user); got.StatusCode != 503 {
			t.Errorf("%s without a subject: %d", method, got.StatusCode)
		}
	}
	if got := send("GET", "user-7"); strings.Contains(got.body, "password") {
		t.Errorf("the page asks for a password: %s", got.body)
	}
	page := send("POST", "user-7", "user_code", user)
	carried := hidden.FindStringSubmatch(page.body)[1]
	if got := send("POST", "user-8", "request", carried, "decision", "allow"); got.StatusCode != 403 {
		t.Errorf("another user allowed: %d", got.StatusCode)
	}
	send("POST", "user-7", "request", carried, "decision", "allow")
	rec, err := svc.Verify(t.Context(), text(t, svc.poll(device), "access_token"))
	if err != nil || rec.Subject != "user-7" {
		t.Errorf("record %v, error %v", rec, err)
	}
}
