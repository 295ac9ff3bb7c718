package authserver_test

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

func TestAuthorizeErrors(t *testing.T) {
	t.Parallel()
	const (
		redirect = "redirect_uri=https%3A%2F%2Fapp.example%2Fcallback"
		base     = "client_id=web&state=S1&" + redirect
		spa      = "response_type=code&client_id=spa&state=S1&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb"
		good     = "&code_challenge_method=S256&code_challenge="
	)
	for _, tt := range []struct {
		name, query string
		code        string // redirected with this code; "" for a page of status 400
	}{
		{"no client", "response_type=code&" + redirect, ""},
		{"unknown client", "response_type=code&client_id=x&" + redirect, ""},
		{"client twice", "response_type=code&client_id=web&" + base, ""},
		{"redirect_uri twice", "response_type=code&" + redirect + "&" + base, ""},
		{"NUL in client_id", "response_type=code&client_id=web%00&" + redirect, ""},
		{"malformed query", "response_type=code&%zz&" + base, ""},
		{"no response_type", base, "invalid_request"},
		{"unknown response_type", base + "&response_type=code+id_token", "unsupported_response_type"},
		{"response_type twice", base + "&response_type=code&response_type=code", "invalid_request"},
		{"scope twice", base + "&response_type=code&scope=read&scope=read", "invalid_request"},
		{"NUL in scope", base + "&response_type=code&scope=%00", "invalid_request"},
		{"scope beyond the client's", base + "&response_type=code&scope=admin", "invalid_scope"},
		{"malformed scope", base + "&response_type=code&scope=%5C", "invalid_scope"},
		{"plain PKCE", base + "&response_type=code&code_challenge_method=plain&code_challenge=" + challenge, "invalid_request"},
		{"PKCE without method", base + "&response_type=code&code_challenge=" + challenge, "invalid_request"},
		{"method without challenge", base + "&response_type=code&code_challenge_method=S256", "invalid_request"},
		{"short challenge", base + "&response_type=code" + good + "x", "invalid_request"},
		{"padded challenge", base + "&response_type=code" + good + challenge + "%3D", "invalid_request"},
		{"challenge with a line break", base + "&response_type=code" + good + challenge[:20] + "%0A" + challenge[20:], "invalid_request"},
		{"public client without PKCE", spa, "invalid_request"},
		{"client without the grant", "response_type=code&client_id=ccode&" + redirect + "&state=S1", "unauthorized_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t, func(set *setup) {
				noCode := set.clients[0]
				noCode.ID, noCode.Grants = "ccode", []string{"password"}
				set.clients = append(set.clients, noCode)
			})
			_, got := svc.page(tt.query)
			if tt.code == "" {
				if got.StatusCode != 400 || got.Header.Get("Location") != "" {
					t.Errorf("status %d, Location %q", got.StatusCode, got.Header.Get("Location"))
				}
				return
			}
			told := location(t, got)
			if got.StatusCode != 303 || told.Get("error") != tt.code || told.Get("state") != "S1" || told.Get("iss") != "https://as.example" {
				t.Errorf("status %d, told %v, want %s: %s", got.StatusCode, told, tt.code, got.body)
			}
			if told.Has("code") {
				t.Error("and a code")
			}
		})
	}
}

func TestStateTwice(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	_, got := svc.page(codeQuery + "&state=S2")
	if told := location(t, got); told.Get("error") != "invalid_request" || told.Has("state") {
		t.Errorf("told %v", told)
	}
}

// What asked for a fragment is told in the fragment.
func TestImplicitErrors(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	_, got := svc.page(strings.Replace(codeQuery, "response_type=code", "response_type=token", 1))
	to := got.Header.Get("Location")
	if !strings.HasPrefix(to, "https://app.example/callback#") || !strings.Contains(to, "error=unauthorized_client") {
		t.Errorf("sent to %q", to)
	}
}

func TestAuthorizeMethodsAndSize(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	got := svc.do(httptest.NewRequest("DELETE", "/authorize?"+codeQuery, nil))
	if got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("status %d, Allow %q", got.StatusCode, got.Header.Get("Allow"))
	}
	if _, got := svc.page(codeQuery + "&x=" + strings.Repeat("x", 8<<10)); got.StatusCode != 414 {
		t.Errorf("status %d, want 414", got.StatusCode)
	}
	// The longest state comes back, whatever it is made of.
	state := strings.Repeat("\x01", 2600)
	carried, _ := svc.page("client_id=web&response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&state=" + url.QueryEscape(state))
	if told := location(t, svc.answer("request", carried, "decision", "deny")); told.Get("state") != state {
		t.Error("the state did not come back")
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	svc := newService(t, func(set *setup) { set.options.Scopes = map[string]string{"read": "read your <posts>"} })
	_, got := svc.page(codeQuery)
	if got.StatusCode != 200 {
		t.Fatalf("status %d", got.StatusCode)
	}
	for _, part := range []string{
		"The &lt;Web&gt; App", "app.example", "read your &lt;posts&gt;", "<li>write</li>",
		`<html lang="en">`, `<label for="username">`, `<label for="password">`, `autocomplete="current-password"`,
		`<meta name="viewport"`, "<main>", "<h1>", `<form method="post">`,
	} {
		if !strings.Contains(got.body, part) {
			t.Errorf("the page lacks %q:\n%s", part, got.body)
		}
	}
	if strings.Contains(got.body, "http://") || strings.Contains(got.body, "https://") || strings.Contains(got.body, "<script") {
		t.Errorf("the page refers to something outside:\n%s", got.body)
	}
	_, failed := svc.page("")
	for _, got := range []*reply{got, failed, svc.answer("request", "x")} {
		csp := got.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("Content-Security-Policy %q lacks %s", csp, part)
			}
		}
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
			}
		}
	}
}

func TestWrongPasswordOnThePage(t *testing.T) {
	t.Parallel()
	svc := newService(t, func(set *setup) { set.options.MaxAttempts = 2 })
	carried, _ := svc.page(codeQuery)
	for _, tt := range []struct {
		username, given string
		status          int
		told            string
	}{
		{"broken", "x", 503, "try again"},
		{"", "", 403, "not right"},
		{"ldap", "", 403, "not right"},
		{"subjectless", "x", 403, "not right"},
		{`"><script>`, "wrong", 403, "not right"},
		{"bob", "wrong", 403, "not right"},
		{"bob", "wrong", 403, "not right"},
		{"bob", password, 429, "Too many"},
	} {
		got := svc.answer("request", carried, "decision", "allow", "username", tt.username, "password", tt.given)
		if got.StatusCode != tt.status || !strings.Contains(got.body, tt.told) || !strings.Contains(got.body, `role="alert"`) {
			t.Errorf("%q: status %d, want %d and %q: %s", tt.username, got.StatusCode, tt.status, tt.told, got.body)
		}
		if strings.Contains(got.body, "<script>") {
			t.Error("the username is not escaped")
		}
		if m := hidden.FindStringSubmatch(got.body); m == nil {
			t.Error("the page cannot be answered again")
		}
		if strings.Contains(got.body+svc.logs.String(), "canary") {
			t.Errorf("a secret got out: %s", svc.logs)
		}
	}
}

func TestDeny(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	carried, _ := svc.page(codeQuery)
	for _, decision := range []string{"deny", "", "ALLOW"} {
		got := svc.answer("request", carried, "decision", decision, "username", "bob", "password", password)
		if told := location(t, got); told.Get("error") != "access_denied" || told.Has("code") || told.Get("state") != "S1" {
			t.Errorf("decision %q told %v", decision, told)
		}
	}
}

func TestForgedAnswers(t *testing.T) {
	t.Parallel()
	svc, twin := newService(t, nil), newService(t, nil)
	carried, _ := svc.page(codeQuery)
	elsewhere, _ := twin.page(codeQuery)
	for _, tt := range []struct {
		name, request string
		site, origin  string
		status        int
	}{
		{"good", carried, "same-origin", "", 303},
		{"typed in", carried, "none", "", 303},
		{"not a browser", carried, "", "", 303},
		{"older browser", carried, "", "http://example.com", 303},
		{"older browser under this referrer policy", carried, "", "null", 303},
		{"another site", carried, "cross-site", "https://evil.example", 403},
		{"a sibling", carried, "same-site", "https://sub.example.com", 403},
		{"another site in an older browser", carried, "", "https://evil.example", 403},
		{"a sandboxed frame", carried, "cross-site", "null", 403},
		{"nothing carried", "", "same-origin", "", 400},
		{"not base64", "???", "same-origin", "", 400},
		{"changed", carried[:len(carried)-2] + "AA", "same-origin", "", 400},
		{"another server's", elsewhere, "same-origin", "", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", "http://example.com/authorize?"+codeQuery,
				strings.NewReader(form("request", tt.request, "decision", "allow", "username", "bob", "password", password)))
			r.Header.Set("Content-Type", formBody)
			for name, value := range map[string]string{"Sec-Fetch-Site": tt.site, "Origin": tt.origin} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			if got := svc.do(r); got.StatusCode != tt.status {
				t.Errorf("status %d, want %d: %s", got.StatusCode, tt.status, got.body)
			}
		})
	}
}

func TestPageGoesStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, nil)
		carried, _ := svc.page(codeQuery)
		time.Sleep(15 * time.Minute)
		if got := svc.answer("request", carried, "decision", "deny"); got.StatusCode != 400 || !strings.Contains(got.body, "out of date") {
			t.Errorf("status %d: %s", got.StatusCode, got.body)
		}
	})
}

func TestSharedRing(t *testing.T) {
	t.Parallel()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	shared := func(set *setup) { set.options.Ring = ring }
	carried, _ := newService(t, shared).page(codeQuery)
	for _, tt := range []struct {
		name   string
		change func(*authserver.Client)
		status int
	}{
		{"the same", func(*authserver.Client) {}, 303},
		{"without the client", func(c *authserver.Client) { c.ID = "renamed" }, 400},
		{"without the redirect URI", func(c *authserver.Client) { c.RedirectURIs = []string{"https://app.example/new"} }, 400},
	} {
		twin := newService(t, func(set *setup) { shared(set); tt.change(&set.clients[0]) })
		if got := twin.answer("request", carried, "decision", "deny"); got.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", tt.name, got.StatusCode, tt.status)
		}
	}
}

// An application with a login of its own says who is there.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	var svc *service
	svc = newService(t, func(set *setup) {
		set.options.Authenticate = func(w http.ResponseWriter, r *http.Request) (string, bool) {
			c, err := r.Cookie("session")
			if err != nil {
				http.Redirect(w, r, "/login?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
				return "", false
			}
			return c.Value, true
		}
	})
	send := func(method, session, body string) *reply {
		r := httptest.NewRequest(method, "/authorize?"+codeQuery, strings.NewReader(body))
		r.Header.Set("Content-Type", formBody)
		if session != "" {
			r.AddCookie(&http.Cookie{Name: "session", Value: session})
		}
		return svc.do(r)
	}
	if got := send("GET", "", ""); got.StatusCode != 303 || !strings.HasPrefix(got.Header.Get("Location"), "/login?to=%2Fauthorize") {
		t.Errorf("status %d, Location %q", got.StatusCode, got.Header.Get("Location"))
	}
	page := send("GET", "user-7", "")
	if strings.Contains(page.body, "password") {
		t.Errorf("the page asks for a password:\n%s", page.body)
	}
	allow := form("request", hidden.FindStringSubmatch(page.body)[1], "decision", "allow")
	if got := send("POST", "user-8", allow); got.StatusCode != 403 {
		t.Errorf("another user allowed: status %d", got.StatusCode)
	}
	if got := send("POST", "", allow); !strings.HasPrefix(got.Header.Get("Location"), "/login") {
		t.Errorf("nobody allowed: status %d", got.StatusCode)
	}
	sent := send("POST", "user-7", allow)
	got := svc.redeem(location(t, sent).Get("code"))
	rec, err := svc.Verify(t.Context(), text(t, got, "access_token"))
	if err != nil || rec.Subject != "user-7" {
		t.Errorf("record %v, error %v", rec, err)
	}
}

func TestOwnPage(t *testing.T) {
	t.Parallel()
	svc := newService(t, func(set *setup) {
		set.options.Page = template.Must(template.New("").Parse(
			`{{.Client}}|{{.Host}}|{{range .Scopes}}{{.Name}},{{end}}|{{.SignIn}}|<input name="request" value="{{.Request}}">`))
	})
	carried, got := svc.page(codeQuery)
	if !strings.HasPrefix(got.body, "The &lt;Web&gt; App|app.example|read,write,|true|") || carried == "" {
		t.Errorf("page %s", got.body)
	}
	broken := newService(t, func(set *setup) { set.options.Page = template.Must(template.New("").Parse(`{{.Nothing}}`)) })
	if _, got := broken.page(codeQuery); got.StatusCode != 500 {
		t.Errorf("status %d, want 500", got.StatusCode)
	}
}
