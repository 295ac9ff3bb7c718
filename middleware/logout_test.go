package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func TestLogout(t *testing.T) {
	t.Parallel()
	for _, isStateless := range []bool{false, true} {
		c := &siteConfig{session: middleware.Session{Name: "kit"}}
		if isStateless {
			c = stateless(t, newRing(t))
		}
		s := newSite(t, c)
		_, cookie := s.login(&store.Record{Subject: "alice"})
		_, other := s.login(&store.Record{Subject: "alice"})
		w := serve(s.session.Logout("/bye"), withCookie(request("POST", "/logout", ""), cookie))
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/bye" || len(s.cleared(w)) != 1 {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if w := serve(s.guard.Require()(s.whoami()), withCookie(request("GET", "/", ""), cookie)); w.Code != 401 {
			t.Errorf("stateless %v: the old cookie is still good: %d", isStateless, w.Code)
		}
		if w := serve(s.guard.Require()(s.whoami()), withCookie(request("GET", "/", ""), other)); w.Code != 200 {
			t.Errorf("stateless %v: the other browser is signed out too: %d", isStateless, w.Code)
		}
		// Again, and without any session: nothing to do, no error.
		for _, line := range []string{cookie, "", "__Host-kit=garbage", "__Host-kit=a; __Host-kit=b"} {
			if w := serve(s.session.Logout("/bye"), withCookie(request("POST", "/logout", ""), line)); w.Code != 303 || len(s.cleared(w)) != 1 {
				t.Errorf("%q: %d %v", line, w.Code, w.Header())
			}
		}
	}
}

func TestLogoutRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	_, cookie := s.login(&store.Record{Subject: "alice"})
	tests := []struct {
		name, method, header, value string
		status                      int
	}{
		{"GET", "GET", "", "", 405},
		{"HEAD", "HEAD", "", "", 405},
		{"another site", "POST", "Sec-Fetch-Site", "cross-site", 403},
		{"sibling subdomain", "POST", "Sec-Fetch-Site", "same-site", 403},
		{"another origin", "POST", "Origin", "https://evil.example", 403},
		{"http page of the same host", "POST", "Origin", "http://example.com", 403},
		{"opaque origin", "POST", "Origin", "null", 403},
	}
	for _, tt := range tests {
		r := withCookie(request(tt.method, "/logout", ""), cookie)
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		w := serve(s.session.Logout("/"), r)
		if w.Code != tt.status || len(w.Result().Cookies()) != 0 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", tt.name, w.Code, w.Header())
		}
		if w.Code == 405 && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: Allow %q", tt.name, w.Header().Get("Allow"))
		}
	}
	if w := serve(s.guard.Require()(s.whoami()), withCookie(request("GET", "/", ""), cookie)); w.Code != 200 {
		t.Errorf("the session ended all the same: %d", w.Code)
	}
}

func TestLogoutWithTheStoreDown(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused at 10.0.0.7")
	for name, fail := range map[string]func(*faultyStore){
		"reading": func(f *faultyStore) { f.get = down },
		"writing": func(f *faultyStore) { f.put = down },
	} {
		synctest.Test(t, func(t *testing.T) {
			faulty := &faultyStore{}
			faulty.TokenStore, _ = memstore.New(nil)
			keep, err := keeper.New(faulty, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer keep.Close(context.Background())
			s := &site{T: t, session: &middleware.Session{Keeper: keep}}
			_, cookie := s.login(&store.Record{Subject: "alice"})
			fail(faulty)
			began := time.Now()
			w := serve(s.session.Logout("/"), withCookie(request("POST", "/logout", ""), cookie))
			if w.Code != http.StatusServiceUnavailable || len(s.cleared(w)) != 1 || strings.Contains(w.Body.String(), "10.0.0.7") {
				t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
		})
	}
}

// A browser that leaves at once is signed out all the same.
func TestLogoutOfAClientThatLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	_, cookie := s.login(&store.Record{Subject: "alice"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	serve(s.session.Logout("/"), withCookie(request("POST", "/logout", ""), cookie).WithContext(ctx))
	if w := serve(s.guard.Require()(s.whoami()), withCookie(request("GET", "/", ""), cookie)); w.Code != 401 {
		t.Errorf("status %d", w.Code)
	}
}

// State-changing requests that a cookie authenticates come from the site's own pages; a bearer token needs no such
// proof, as no browser adds it by itself.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{session: middleware.Session{Origin: "https://app.example"}})
	rec, cookie := s.login(&store.Record{Subject: "alice"})
	tests := []struct {
		name, method, header, value string
		want                        int
	}{
		{"own page", "POST", "Sec-Fetch-Site", "same-origin", 200},
		{"own page, old browser", "POST", "Origin", "https://app.example", 200},
		{"another site", "POST", "Sec-Fetch-Site", "cross-site", 403},
		{"sibling", "PUT", "Sec-Fetch-Site", "same-site", 403},
		{"http page of the same host", "DELETE", "Origin", "http://app.example", 403},
		{"reading", "GET", "Sec-Fetch-Site", "cross-site", 200},
	}
	for _, tt := range tests {
		for _, mount := range []func(...string) func(http.Handler) http.Handler{s.guard.Require, s.guard.Optional} {
			r := withCookie(request(tt.method, "https://app.example/x", ""), cookie)
			r.Header.Set(tt.header, tt.value)
			w := serve(mount()(s.whoami()), r)
			if w.Code != tt.want || len(s.cleared(w)) != 0 {
				t.Errorf("%s: %d %v", tt.name, w.Code, w.Header())
			}
			if w.Code == 403 && w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("%s: challenge %q", tt.name, w.Header().Get("WWW-Authenticate"))
			}
		}
		r := request(tt.method, "https://app.example/x", rec.Handle.Reveal())
		r.Header.Set(tt.header, tt.value)
		if w := serve(s.guard.Require()(s.whoami()), r); w.Code != 200 {
			t.Errorf("%s, with a bearer token: %d", tt.name, w.Code)
		}
	}
}

func TestSessionFaults(t *testing.T) {
	t.Parallel()
	bad := &middleware.Session{Name: "a b", SameSite: http.SameSiteNoneMode, Origin: "app", Lifetime: -1}
	err := bad.Validate()
	for _, part := range []string{"Name", "SameSite", "Origin", "Keeper", "Lifetime"} {
		if err == nil || !strings.Contains(err.Error(), "middleware: Session: "+part) {
			t.Errorf("%s is not reported: %v", part, err)
		}
	}
	if _, err := middleware.New(subjects, middleware.Self, &middleware.Options{Session: bad}); err == nil {
		t.Error("New took it")
	}
	if w := serve(bad.Logout("/"), request("POST", "/logout", "")); w.Code != 500 {
		t.Errorf("Logout: %d", w.Code)
	}
	if _, err := bad.Verify(nil, request("GET", "/", "")); !errors.Is(err, middleware.ErrUnavailable) {
		t.Errorf("Verify: %v", err)
	}
	if _, err := bad.Start(nil, request("POST", "/", ""), &store.Record{Subject: "a"}); err == nil {
		t.Error("Start went on")
	}
	// Two sessions over one stateless store would not open each other's cookies.
	c := stateless(t, newRing(t))
	s := newSite(t, c)
	again := &middleware.Session{Keeper: s.keep, Name: "other"}
	if err := again.Validate(); err == nil {
		t.Error("a stateless store was bound twice")
	}
	same := &middleware.Session{Keeper: s.keep, Name: "kit"}
	if err := same.Validate(); err != nil {
		t.Errorf("the same name again: %v", err)
	}
}
