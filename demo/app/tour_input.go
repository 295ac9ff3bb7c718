package app

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

func (t *tourist) passwordForm() {
	post := func(s *step, jar http.CookieJar, password string) *answer {
		page := s.send(ask{url: t.app.url + "/", jar: jar})
		form, err := fillIn(page.body, map[string]string{"username": alice[0].value, "password": password}, pair{})
		if err != nil {
			s.fault("%v", err)
		}
		form = slices.DeleteFunc(form, func(p pair) bool { return p.name == "" })
		return s.send(ask{url: t.app.url + "/login/password", form: form, jar: jar})
	}
	t.step("app: sign in by the password form", func(s *step) {
		jar := newJar()
		s.want(post(s, jar, alice[1].value), http.StatusSeeOther, pair{"Location", "/"})
		s.want(s.send(ask{url: t.me(), jar: jar}), http.StatusOK, pair{"id", "alice"})
	})
	t.step("app: a wrong password is told in words", func(s *step) {
		a := post(s, newJar(), "looking-glass")
		s.want(a, http.StatusForbidden)
		s.check(strings.Contains(a.body, "Wrong user name or password."), "the page does not say what was wrong")
	})
}

// badInput checks the exact answers of RFC 6750.
func (t *tourist) badInput() {
	for _, path := range []string{"/api/me", "/plain/me"} {
		url := t.app.url + path
		t.step("app: "+path+" without a bearer", func(s *step) {
			s.want(s.send(ask{url: url}), http.StatusUnauthorized, pair{"WWW-Authenticate", `Bearer realm="app"`})
		})
		t.step("app: "+path+" with a wrong token", func(s *step) {
			a := s.send(ask{url: url, headers: bearer("nobody-has-issued-this")})
			s.want(a, http.StatusUnauthorized, pair{"error", "invalid_token"})
		})
		t.step("app: "+path+" with two Authorization lines", func(s *step) {
			q := ask{url: url, headers: slices.Concat(bearer("one-token-too"), bearer("two-tokens-many"))}
			s.want(s.send(q), http.StatusBadRequest, pair{"error", "invalid_request"})
		})
	}
	t.step("app: cookie and bearer together", func(s *step) {
		q := ask{url: t.me(), jar: t.browser, headers: bearer("one-token-too")}
		s.want(s.send(q), http.StatusBadRequest, pair{"error", "invalid_request"})
	})
	t.step("app: the provider's own token is no handle of ours", func(s *step) {
		tok := s.send(t.ulule(grant("password", alice...)))
		s.want(s.send(ask{url: t.me(), headers: bearer(tok.text("access_token"))}), http.StatusUnauthorized, pair{"error", "invalid_token"})
	})
	t.step("app: malformed login", func(s *step) {
		a := s.send(ask{url: t.app.url + "/api/login", json: `{"username":`, headers: []pair{{"Content-Type", "application/json"}}})
		s.want(a, http.StatusBadRequest, pair{"error", "invalid_request"})
		a = s.send(ask{url: t.app.url + "/api/login", form: []pair{alice[0], {"password", "looking-glass"}}})
		s.want(a, http.StatusBadRequest, pair{"error", "invalid_grant"})
	})
	t.step("app: another site's page can neither sign out nor expire", func(s *step) {
		foreign := []pair{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}}
		for _, path := range []string{"/logout", "/expire"} {
			a := s.send(ask{method: http.MethodPost, url: t.app.url + path, jar: t.browser, headers: foreign})
			s.want(a, http.StatusForbidden)
		}
		s.want(s.send(ask{url: t.me(), jar: t.browser}), http.StatusOK)
	})
}

func (t *tourist) signOut() {
	t.step("app: sign out; a copy of the cookie is worth nothing", func(s *step) {
		stolen := copyJar(t.browser, t.app.url)
		a := s.send(ask{method: http.MethodPost, url: t.app.url + "/logout", jar: t.browser})
		s.want(a, http.StatusSeeOther, pair{"Location", "/"})
		s.want(s.send(ask{url: t.me(), jar: t.browser}), http.StatusUnauthorized, pair{"WWW-Authenticate", `Bearer realm="app"`})
		s.want(s.send(ask{url: t.me(), jar: stolen}), http.StatusUnauthorized)
	})
}

// shortLives lets tokens expire by themselves.
func (t *tourist) shortLives() {
	t.signIn()
	t.step("app: a token that lived one second is refreshed when it is over", func(s *step) {
		s.printf("   … waiting a second\n")
		time.Sleep(1100 * time.Millisecond)
		n := t.tokenRequestsDuring(func() { s.want(s.send(ask{url: t.me(), jar: t.browser}), http.StatusOK, pair{"id", "alice"}) })
		s.check(n == 1, "%d token requests, want 1", n)
	})
}
