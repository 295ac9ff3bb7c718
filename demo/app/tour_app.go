package app

import (
	"context"
	"net/http"
	"strings"
	"sync"
)

// everything walks the app from the first sign-in to the last logout.
func (t *tourist) everything() {
	t.signIn()
	t.use()
	t.expireAndRefresh()
	t.storm()
	t.programs()
	t.passwordForm()
	t.badInput()
	t.signOut()
	if t.cfg.store == sqlite { // for the restart
		t.signIn()
	}
}

// arriving signs in before a restart, returning comes back after it.
func (t *tourist) arriving() { t.signIn() }

func (t *tourist) returning() {
	t.use()
	t.expireAndRefresh()
	t.signOut()
}

func (t *tourist) me() string { return t.app.url + "/api/me" }

// signIn is the authorization code flow, as a browser walks it.
func (t *tourist) signIn() {
	t.browser = newJar()
	t.step("app: sign in by authorization code", func(s *step) {
		a := s.send(ask{url: t.app.url + "/login", jar: t.browser})
		s.want(a, http.StatusSeeOther)
		a = s.consent(a.header.Get("Location"), "allow", t.browser)
		callback := a.header.Get("Location")
		a = s.send(ask{url: callback, jar: t.browser})
		s.want(a, http.StatusSeeOther, pair{"Location", "/"}, pair{"Cache-Control", "no-store"})
		s.check(strings.Contains(a.header.Get("Set-Cookie"), "HttpOnly"), "no HttpOnly cookie")
		a = s.send(ask{url: t.app.url + "/", jar: t.browser})
		s.want(a, http.StatusOK)
		s.check(strings.Contains(a.body, "You are alice"), "the page does not know who signed in")
		n := t.tokenRequestsDuring(func() {
			s.want(s.send(ask{url: callback, jar: t.browser}), http.StatusSeeOther)
			s.want(s.send(ask{url: callback, jar: newJar()}), http.StatusBadRequest)
		})
		s.check(n == 0, "a reload of the callback made %d token requests", n)
	})
}

func (t *tourist) use() {
	for _, path := range []string{"/api/me", "/plain/me"} {
		t.step("app: "+path+" with the session cookie", func(s *step) {
			s.want(s.send(ask{url: t.app.url + path, jar: t.browser}), http.StatusOK, pair{"id", "alice"}, pair{"Cache-Control", "no-store"})
		})
	}
}

// state asks what the page shows.
func (s *step) state(jar http.CookieJar) *answer {
	return s.send(ask{url: s.app.url + "/state", jar: jar})
}

func (t *tourist) expireAndRefresh() {
	t.step("app: let the token expire; the guard refreshes it behind the scenes", func(s *step) {
		before := s.state(t.browser).number("generation")
		s.want(s.send(ask{method: http.MethodPost, url: t.app.url + "/expire", jar: t.browser}), http.StatusSeeOther)
		expired, _ := s.state(t.browser).object["expired"].(bool)
		s.check(expired, "the token has not expired")
		n := t.tokenRequestsDuring(func() {
			s.want(s.send(ask{url: t.me(), jar: t.browser}), http.StatusOK, pair{"id", "alice"})
		})
		after := s.state(t.browser).number("generation")
		s.printf("   %d token request, generation %v to %v\n", n, before, after)
		s.check(n == 1, "%d token requests, want 1", n)
		s.check(after == before+1, "generation went from %v to %v", before, after)
	})
}

const crowd = 200

// parallel sends q many times at once and returns how many were answered 200.
func (t *tourist) parallel(q ask) int {
	var wg sync.WaitGroup
	good := make(chan bool, crowd)
	for range crowd {
		wg.Go(func() {
			a, err := q.send(t.http)
			good <- err == nil && a.status == http.StatusOK && a.text("id") == "alice"
		})
	}
	wg.Wait()
	close(good)
	n := 0
	for ok := range good {
		if ok {
			n++
		}
	}
	return n
}

func (t *tourist) storm() {
	t.step("app: 200 parallel requests on one expired token make one token request", func(s *step) {
		s.send(ask{method: http.MethodPost, url: t.app.url + "/expire", jar: t.browser})
		q := ask{url: t.me(), jar: t.browser}
		good := 0
		n := t.tokenRequestsDuring(func() { good = t.parallel(q) })
		s.printf("   $ %s   (%d at once)\n   < %d of %d answered 200, %d token request\n", q.curl(), crowd, good, crowd, n)
		s.check(good == crowd, "%d of %d answered 200", good, crowd)
		s.check(n == 1, "%d token requests, want 1", n)
	})
}

// programs present a handle as bearer token.
func (t *tourist) programs() {
	login := func(more ...pair) ask { return ask{url: t.app.url + "/api/login", form: append(alice[:2:2], more...)} }
	var handle string
	t.step("app: a handle for a program, used as bearer token", func(s *step) {
		a := s.send(login())
		s.want(a, http.StatusOK, pair{"token_type", "Bearer"})
		handle = a.text("handle")
		s.wantUser(t.me(), handle, "alice")
		s.wantUser(t.app.url+"/plain/me", handle, "alice")
	})
	t.step("app: 200 parallel bearer requests on one expired token make one token request", func(s *step) {
		s.want(s.send(ask{method: http.MethodPost, url: t.app.url + "/expire", headers: bearer(handle)}), http.StatusSeeOther)
		good := 0
		n := t.tokenRequestsDuring(func() { good = t.parallel(ask{url: t.me(), headers: bearer(handle)}) })
		s.printf("   %d of %d answered 200, %d token request\n", good, crowd, n)
		s.check(good == crowd && n == 1, "%d of %d answered 200, %d token requests", good, crowd, n)
	})
	t.step("app: a handle without the scope that a route requires", func(s *step) {
		narrow := s.send(login(pair{"scope", "read"})).text("handle")
		s.wantUser(t.me(), narrow, "alice")
		s.want(s.send(ask{url: t.app.url + "/api/editor", headers: bearer(narrow)}), http.StatusForbidden, pair{"error", "insufficient_scope"},
			pair{"WWW-Authenticate", `Bearer realm="app", error="insufficient_scope", error_description="the token lacks a required scope", scope="write"`})
		s.want(s.send(ask{url: t.app.url + "/api/editor", headers: bearer(handle)}), http.StatusOK, pair{"may", "edit"})
	})
	t.step("app: a token that the provider ended early is refreshed too", func(s *step) {
		handle := s.send(login()).text("handle")
		rec, err := t.partner.keep.Verify(context.Background(), handle)
		if err != nil {
			s.fault("%v", err)
			return
		}
		s.want(s.send(ask{
			url: t.provider.url + "/oauth2/revoke/", user: partnerUser, form: []pair{{"token", rec.Token.AccessToken}},
		}), http.StatusOK)
		s.wantUser(t.me(), handle, "alice")
	})
}
