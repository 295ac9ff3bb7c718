package app

import (
	"net/http"
	"net/url"
	"strings"
)

// query appends parameters to a URL.
func query(base string, params ...pair) string { return base + "?" + encode(params) }

// consent opens an authorize page as a browser, signs alice in and presses a button; it returns where that leads.
func (s *step) consent(authorize, decision string, jar http.CookieJar) *answer {
	page := s.send(ask{url: authorize, jar: jar})
	s.want(page, http.StatusOK, pair{"X-Frame-Options", "DENY"}, pair{"Cache-Control", "no-store"})
	typed := map[string]string{"username": alice[0].value, "password": alice[1].value}
	form, err := fillIn(page.body, typed, pair{"decision", decision})
	if err != nil {
		s.fault("%v", err)
		return page
	}
	a := s.send(ask{url: authorize, form: form, jar: jar})
	s.want(a, http.StatusSeeOther)
	return a
}

func (t *tourist) ululeCode() {
	redirect := t.app.url + "/callback"
	authorize := func(more ...pair) string {
		return query(t.provider.url+"/oauth2/authorize/", append([]pair{
			{"response_type", "code"}, {"client_id", "partner"},
		}, more...)...)
	}
	var code string
	exchange := func() ask {
		return t.ulule(grant("authorization_code", pair{"code", code}, pair{"redirect_uri", redirect}))
	}
	var got *answer
	t.step("Ulule: a code by login and consent", func(s *step) {
		a := s.consent(authorize(pair{"redirect_uri", redirect}, pair{"state", "tour-state-0123456789"}), "allow", newJar())
		code = a.query("code")
		s.check(strings.HasPrefix(a.header.Get("Location"), redirect+"?"), "it leads to %s", shortURL(a.header.Get("Location")))
		s.check(code != "" && a.query("state") == "tour-state-0123456789", "code or state is missing")
		s.check(a.query("iss") == t.provider.url, "iss is %q", a.query("iss"))
	})
	t.step("Ulule: the code for a token", func(s *step) {
		got = s.send(exchange())
		s.wantToken(got, "Bearer", 36000)
		s.wantUser(t.provider.url+"/v1/me", got.text("access_token"), "alice")
	})
	t.step("Ulule: a reused code is refused, and what it gave is revoked", func(s *step) {
		s.want(s.send(exchange()), http.StatusBadRequest, pair{"error", "invalid_grant"})
		a := s.send(ask{url: t.provider.url + "/v1/me", headers: bearer(got.text("access_token"))})
		s.want(a, http.StatusUnauthorized, pair{"error", "invalid_token"})
	})
	t.step("Ulule: consent denied", func(s *step) {
		a := s.consent(authorize(pair{"redirect_uri", redirect}), "deny", newJar())
		s.check(a.query("error") == "access_denied" && a.query("code") == "", "it leads to %s", shortURL(a.header.Get("Location")))
	})
	t.step("Ulule: another redirect URI than registered: told on a page, never redirected", func(s *step) {
		a := s.send(ask{url: authorize(pair{"redirect_uri", "http://127.0.0.1:1/elsewhere"})})
		s.want(a, http.StatusBadRequest, pair{"Location", ""})
	})
}

func (t *tourist) google() {
	const redirect = "https://your.callback/uri"
	client := pair{"google-demo", "google-secret"}
	var first *answer
	t.step("Google: the workflow of requests-oauthlib", func(s *step) {
		a := s.consent(query(t.provider.url+"/o/oauth2/auth",
			pair{"response_type", "code"}, pair{"client_id", client.name}, pair{"redirect_uri", redirect},
			pair{"scope", emailScope + " " + profileScope}, pair{"state", "tour-state-0123456789"},
			pair{"access_type", "offline"}, pair{"approval_prompt", "force"}), "allow", newJar())
		s.check(strings.HasPrefix(a.header.Get("Location"), redirect+"?"), "it leads to %s", shortURL(a.header.Get("Location")))
		first = s.send(ask{url: t.provider.url + "/o/oauth2/token", user: client, form: grant("authorization_code",
			pair{"code", a.query("code")}, pair{"redirect_uri", redirect})})
		s.wantToken(first, "Bearer", 3600)
		s.wantUser(t.provider.url+"/oauth2/v1/userinfo", first.text("access_token"), "alice")
	})
	t.step("Google: refresh with the client in the body", func(s *step) {
		a := s.send(ask{url: t.provider.url + "/o/oauth2/token", form: grant("refresh_token",
			pair{"client_id", client.name}, pair{"client_secret", client.value}, pair{"refresh_token", first.text("refresh_token")})})
		s.wantToken(a, "Bearer", 3600)
		s.wantUser(t.provider.url+"/oauth2/v1/userinfo", a.text("access_token"), "alice")
	})
}

// wantRebound sends a foreign Host.
func (s *step) wantRebound(base string) {
	u, _ := url.Parse(base)
	req, err := http.NewRequest(http.MethodGet, base+"/", nil)
	if err != nil {
		s.fault("%v", err)
		return
	}
	req.Host = "rebound.example:" + u.Port()
	s.printf("   $ curl -i -H 'Host: %s' %s/\n", req.Host, base)
	resp, err := s.http.RoundTrip(req)
	if err != nil {
		s.fault("%v", err)
		return
	}
	resp.Body.Close()
	s.printf("   < HTTP/1.1 %s\n", resp.Status)
	s.check(resp.StatusCode == http.StatusMisdirectedRequest, "status %d", resp.StatusCode)
}
