package weblogin_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tokenkeep/tokenkeep/store"
)

// connecting is a site whose provider is one to connect: identify notes whom it was told is signed in.
func connecting(t *testing.T) (s *site, saw *string) {
	s = newSite(t, nil)
	saw = new(string)
	s.identify = func(_ context.Context, rec *store.Record) error {
		*saw = rec.Subject
		rec.Grant = store.Key("maps", rec.Subject)
		return nil
	}
	return s, saw
}

func (b *browser) connect(target string) (state string) {
	b.Helper()
	w := b.do(b.web.Connect, "POST", target, url.Values{})
	to, _ := url.Parse(w.Header().Get("Location"))
	if w.Code != 303 || to.Host != "as.example" {
		b.Fatalf("connect: %d %v %s", w.Code, w.Header(), w.Body)
	}
	b.nonce = to.Query().Get("nonce")
	return to.Query().Get("state")
}

func TestConnect(t *testing.T) {
	t.Parallel()
	s, saw := connecting(t)
	b := s.browser()
	b.signIn("alice")
	before := b.session()
	state := b.connect("/connect?return_to=/settings")
	w := b.callback("code=C&state=" + state)
	if w.Code != 303 || w.Header().Get("Location") != "/settings" || *saw != "alice" {
		t.Errorf("%d %v, identify saw %q", w.Code, w.Header(), *saw)
	}
	if b.session() != before || b.user() != "alice" {
		t.Errorf("the session changed: %q", b.user())
	}
	rec, err := s.keep.Get(t.Context(), store.Key("maps", "alice"))
	if err != nil || rec.Subject != "alice" || rec.Provider != "as" || rec.Token.RefreshToken != "rt-secret" {
		t.Errorf("the grant: %v, %v", rec, err)
	}
	if w := b.callback("code=C&state=" + state); w.Code != 303 || len(s.provider.asked) != 1 {
		t.Errorf("reload: %d, the code was sent %d times", w.Code, len(s.provider.asked))
	}
	s.identify = func(context.Context, *store.Record) error { return nil } // knows now whose account it is; keeps no token
	if w := b.callback("code=C&state=" + b.connect("/connect")); w.Code != 303 || s.provider.revoke != 1 {
		t.Errorf("without a grant: %d, revoked %d times", w.Code, s.provider.revoke)
	}
}

// An identify that names a user by the new account must not switch users, and what fails is given back.
func TestConnectNeverSwitchesUsers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		identify func(context.Context, *store.Record) error
		want     int
	}{
		{"another user", func(_ context.Context, rec *store.Record) error { rec.Subject = "bob"; return nil }, 403},
		{"nobody", func(_ context.Context, rec *store.Record) error { rec.Subject = ""; return nil }, 403},
		{"taken", func(context.Context, *store.Record) error { return store.ErrNotFound }, 403},
		{"could not find out", func(context.Context, *store.Record) error { return errors.New("users: down") }, 503},
	} {
		s, _ := connecting(t)
		s.identify = tt.identify
		b := s.browser()
		b.signIn("alice")
		before := b.session()
		w := b.callback("code=C&state=" + b.connect("/connect"))
		if w.Code != tt.want || b.session() != before || b.user() != "alice" || s.provider.revoke != 1 {
			t.Errorf("%s: %d, want %d; user %q, revoked %d times", tt.name, w.Code, tt.want, b.user(), s.provider.revoke)
		}
	}
}

// Who may connect: the user who is signed in, from the site's own pages, to the end.
func TestConnectIsBoundToTheUser(t *testing.T) {
	t.Parallel()
	s, saw := connecting(t)
	b := s.browser()
	if w := b.do(s.web.Connect, "POST", "/connect", url.Values{}); w.Code != 403 || b.flows() != 0 {
		t.Errorf("signed out: %d", w.Code)
	}
	b.signIn("alice")
	for name, value := range map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example"} {
		if w := b.do(s.web.Connect, "POST", "/connect", url.Values{}, name, value); w.Code != 403 || b.flows() != 0 || !strings.Contains(w.Body.String(), "another site") {
			t.Errorf("%s: %s: %d", name, value, w.Code)
		}
	}
	if w := b.do(s.web.Connect, "GET", "/connect", nil); w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", w.Code)
	}
	state := b.connect("/connect")
	alice := b.session()
	for _, other := range []string{"", "bob"} {
		b.drop("__Host-session")
		if other != "" {
			b.signIn(other)
		}
		if w := b.callback("code=C&state=" + state); w.Code != 400 || len(s.provider.asked) != 0 || *saw != "" {
			t.Errorf("finished by %q: %d", other, w.Code)
		}
	}
	b.set("__Host-session", alice)
	if w := b.callback("code=C&state=" + state); w.Code != 303 || *saw != "alice" {
		t.Errorf("the one who began: %d", w.Code)
	}
}

// unsteady is a store that can be told to fail.
type unsteady struct {
	store.TokenStore
	down bool
}

var errDown = errors.New("store: connection refused")

func (u *unsteady) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if u.down {
		return nil, errDown
	}
	return u.TokenStore.Get(ctx, h)
}

func (u *unsteady) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if u.down && (h.IsKey() || rec.Version != "") {
		return nil, errDown
	}
	return u.TokenStore.Put(ctx, h, rec)
}

func TestConnectWithoutStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the keeper tries again for a while
		tokens := &unsteady{TokenStore: newMemory(t)}
		s := newSite(t, &config{tokens: tokens})
		s.identify = func(_ context.Context, rec *store.Record) error {
			rec.Grant = store.Key("maps", rec.Subject)
			tokens.down = true
			return nil
		}
		b := s.browser()
		b.signIn("alice")
		state := b.connect("/connect")
		if w := b.callback("code=C&state=" + state); w.Code != 503 || w.Header().Get("Retry-After") == "" || s.provider.revoke != 0 {
			t.Errorf("grant not kept: %d", w.Code)
		}
		if w := b.do(s.web.Connect, "POST", "/connect", url.Values{}); w.Code != 503 {
			t.Errorf("session not read: %d", w.Code)
		}
	})
}
