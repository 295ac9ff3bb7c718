package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// dialects walks the provider as each of the documents describes it.
func (t *tourist) dialects() {
	t.ululePassword()
	t.ululeRefusals()
	t.ululeCode()
	t.breakout()
	t.ushahidi()
	t.google()
	t.resources()
}

var (
	partnerUser = pair{"partner", "partner-secret"}
	alice       = []pair{{"username", "alice@example.org"}, {"password", "wonderland"}}
)

func grant(kind string, more ...pair) []pair { return append([]pair{{"grant_type", kind}}, more...) }

func bearer(token string) []pair { return []pair{{"Authorization", "Bearer " + token}} }

func (t *tourist) ulule(form []pair) ask {
	return ask{url: t.provider.url + "/oauth2/token/", user: partnerUser, form: form}
}

// wantToken checks what every successful token answer has.
func (s *step) wantToken(a *answer, kind string, seconds float64) {
	s.want(a, http.StatusOK, pair{"token_type", kind}, pair{"Cache-Control", "no-store"})
	s.check(a.text("access_token") != "", "no access_token")
	s.check(a.number("expires_in") == seconds, "expires_in is %v, want %v", a.number("expires_in"), seconds)
}

// wantUser checks that a resource knows whose the token is.
func (s *step) wantUser(url, token, id string) {
	s.want(s.send(ask{url: url, headers: bearer(token)}), http.StatusOK, pair{"id", id})
}

func (t *tourist) ululePassword() {
	var first, second *answer
	t.step("Ulule: a token by password", func(s *step) {
		first = s.send(t.ulule(grant("password", alice...)))
		s.wantToken(first, "Bearer", 36000)
		s.want(first, http.StatusOK, pair{"scope", "read write"})
		s.check(first.text("refresh_token") != "", "no refresh_token")
	})
	t.step("Ulule: use it", func(s *step) { s.wantUser(t.provider.url+"/v1/me", first.text("access_token"), "alice") })
	t.step("Ulule: refresh", func(s *step) {
		second = s.send(t.ulule(grant("refresh_token", pair{"refresh_token", first.text("refresh_token")})))
		s.wantToken(second, "Bearer", 36000)
		s.check(second.text("refresh_token") != first.text("refresh_token"), "the refresh token was not rotated")
		s.wantUser(t.provider.url+"/v1/me", second.text("access_token"), "alice")
	})
	t.step("Ulule: the same refresh token at once again gets the same successor", func(s *step) {
		a := s.send(t.ulule(grant("refresh_token", pair{"refresh_token", first.text("refresh_token")})))
		s.want(a, http.StatusOK, pair{"refresh_token", second.text("refresh_token")})
	})
	t.step("Ulule: basic in lower case", func(s *step) {
		q := t.ulule(grant("password", alice...))
		req, _ := q.request()
		q.headers = []pair{{"Authorization", "basic" + strings.TrimPrefix(req.Header.Get("Authorization"), "Basic")}}
		q.user = pair{}
		s.wantToken(s.send(q), "Bearer", 36000)
	})
	t.step("Ulule: a revoked token is refused", func(s *step) {
		a := s.send(ask{
			url: t.provider.url + "/oauth2/revoke/", user: partnerUser, form: []pair{{"token", second.text("refresh_token")}},
		})
		s.want(a, http.StatusOK)
		a = s.send(ask{url: t.provider.url + "/v1/me", headers: bearer(second.text("access_token"))})
		s.want(a, http.StatusUnauthorized, pair{"error", "invalid_token"})
	})
}

func (t *tourist) ululeRefusals() {
	t.step("Ulule: without the last slash, an error says so", func(s *step) {
		q := t.ulule(grant("password", alice...))
		q.url = strings.TrimSuffix(q.url, "/")
		a := s.send(q)
		s.want(a, http.StatusNotFound, pair{"error", "invalid_request"})
		s.check(strings.Contains(a.text("error_description"), "slash"), "the error does not name the slash")
	})
	t.step("Ulule: wrong password", func(s *step) {
		a := s.send(t.ulule(grant("password", pair{"username", "alice@example.org"}, pair{"password", "looking-glass"})))
		s.want(a, http.StatusBadRequest, pair{"error", "invalid_grant"}, pair{"WWW-Authenticate", ""})
	})
	t.step("Ulule: wrong client", func(s *step) {
		q := t.ulule(grant("password", alice...))
		q.user.value = "not-the-secret"
		a := s.send(q)
		s.want(a, http.StatusUnauthorized, pair{"error", "invalid_client"})
		s.check(strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic "), "no Basic challenge")
	})
	t.step("Ulule: dead refresh token", func(s *step) {
		a := s.send(t.ulule(grant("refresh_token", pair{"refresh_token", "nothing-that-was-issued"})))
		s.want(a, http.StatusBadRequest, pair{"error", "invalid_grant"})
	})
	t.step("Ulule: unknown grant, missing grant", func(s *step) {
		s.want(s.send(t.ulule(grant("telepathy"))), http.StatusBadRequest, pair{"error", "unsupported_grant_type"})
		s.want(s.send(t.ulule(alice)), http.StatusBadRequest, pair{"error", "invalid_request"})
	})
	t.step("Ulule: a JSON body is not spoken here", func(s *step) {
		q := t.ulule(nil)
		q.json, q.headers = `{"grant_type":"password"}`, []pair{{"Content-Type", "application/json"}}
		s.want(s.send(q), http.StatusBadRequest, pair{"error", "invalid_request"})
	})
}

func (t *tourist) breakout() {
	client := pair{"breakout_app", "123456789"}
	form := grant("password", pair{"username", "admin@break-out.org"}, pair{"password", "password"}, pair{"scope", "read write"})
	q := ask{url: t.provider.url + "/oauth/token", user: client, form: form, headers: []pair{{"Accept", "application/json"}}}
	var first *answer
	t.step("BreakOut: a token by password", func(s *step) {
		first = s.send(q)
		s.wantToken(first, "bearer", 43200)
		s.want(first, http.StatusOK, pair{"scope", "read write"})
	})
	t.step("BreakOut: asked again, the same token with what is left of it", func(s *step) {
		a := s.send(q)
		s.want(a, http.StatusOK, pair{"access_token", first.text("access_token")})
		left := a.number("expires_in")
		s.check(left > 0 && left <= 43200, "expires_in is %v", left)
	})
	t.step("BreakOut: use it", func(s *step) { s.wantUser(t.provider.url+"/me/", first.text("access_token"), "breakout") })
	t.step("BreakOut: refresh", func(s *step) {
		q := q
		q.form = []pair{{"refresh_token", first.text("refresh_token")}, {"grant_type", "refresh_token"}}
		a := s.send(q)
		s.wantToken(a, "bearer", 43200)
		s.wantUser(t.provider.url+"/me/", a.text("access_token"), "breakout")
	})
}

func (t *tourist) ushahidi() {
	const client = `"client_id":"ushahidiui","client_secret":"35e7f0bca957836d05ca0492211b0ac707671261",`
	q := ask{url: t.provider.url + "/oauth/token", headers: []pair{
		{"Accept", "application/json, text/plain, */*"}, {"Content-Type", "application/json;charset=UTF-8"},
	}}
	post := func(s *step, body string) *answer {
		q := q
		q.json = body
		return s.send(q)
	}
	var first *answer
	t.step("Ushahidi: a token by password, all in one JSON body", func(s *step) {
		first = post(s, "{"+client+`"grant_type":"password","username":"admin","password":"admin","scope":"posts media users"}`)
		s.wantToken(first, "Bearer", 3600)
		s.check(first.number("expires") > 1466519207, "expires is %v", first.number("expires"))
		s.check(first.number("refresh_token_expires_in") == 604800, "refresh_token_expires_in is %v", first.number("refresh_token_expires_in"))
	})
	t.step("Ushahidi: use it, as bearer in lower case", func(s *step) {
		a := s.send(ask{url: t.provider.url + "/api/v3/users/me", headers: []pair{{"Authorization", "bearer " + first.text("access_token")}}})
		s.want(a, http.StatusOK, pair{"id", "admin"})
	})
	t.step("Ushahidi: refresh; the answer leaves the refresh token out", func(s *step) {
		a := post(s, fmt.Sprintf(`{%s"grant_type":"refresh_token","refresh_token":%q}`, client, first.text("refresh_token")))
		s.wantToken(a, "Bearer", 3600)
		_, told := a.object["refresh_token"]
		s.check(!told, "the answer holds a refresh token")
		s.wantUser(t.provider.url+"/api/v3/users/me", a.text("access_token"), "admin")
	})
	t.step("Ushahidi: malformed JSON", func(s *step) {
		for _, body := range []string{`{"grant_type":"password"`, `[]`, `{"grant_type":1}`} {
			s.want(post(s, body), http.StatusBadRequest, pair{"error", "invalid_request"})
		}
	})
	t.step("Ushahidi: wrong client", func(s *step) {
		a := post(s, `{"client_id":"ushahidiui","client_secret":"wrong","grant_type":"password","username":"admin","password":"admin"}`)
		s.want(a, http.StatusBadRequest, pair{"error", "invalid_client"})
	})
	t.step("Ushahidi: its token lacks the scope of another resource", func(s *step) {
		a := s.send(ask{url: t.provider.url + "/v1/me", headers: bearer(first.text("access_token"))})
		s.want(a, http.StatusForbidden, pair{"error", "insufficient_scope"})
	})
}

// resources checks the guard's answers to bad input.
func (t *tourist) resources() {
	url := t.provider.url + "/v1/me"
	t.step("resource: no bearer", func(s *step) {
		s.want(s.send(ask{url: url}), http.StatusUnauthorized, pair{"WWW-Authenticate", `Bearer realm="provider"`})
	})
	t.step("resource: wrong token", func(s *step) {
		s.want(s.send(ask{url: url, headers: bearer("nobody-has-issued-this")}), http.StatusUnauthorized, pair{"error", "invalid_token"})
	})
	t.step("resource: two Authorization lines", func(s *step) {
		q := ask{url: url, headers: slices.Concat(bearer("one-token-too"), bearer("two-tokens-many"))}
		s.want(s.send(q), http.StatusBadRequest, pair{"error", "invalid_request"})
	})
	t.step("a name that was rebound to this machine is refused", func(s *step) {
		for _, base := range []string{t.provider.url, t.app.url} {
			s.wantRebound(base)
		}
	})
}
