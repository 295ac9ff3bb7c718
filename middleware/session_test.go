package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func TestSessionCarriesTheUser(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	rec, cookie := s.login(&store.Record{Subject: "alice", Token: store.Token{AccessToken: "at", Scopes: []string{"read"}}})
	if cookie != "__Host-session="+rec.Handle.Reveal() {
		t.Errorf("cookie %.20s…", cookie)
	}
	if left := time.Until(rec.Expires); left < 13*24*time.Hour || left > 14*24*time.Hour {
		t.Errorf("expires in %v", left)
	}
	w := serve(s.guard.Require("read")(s.whoami()), withCookie(request("GET", "/", ""), cookie))
	if w.Code != 200 || w.Body.String() != "alice" || len(w.Result().Cookies()) != 0 {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie" {
		t.Errorf("headers %v", h)
	}
	if w := serve(s.guard.Require("write")(s.whoami()), withCookie(request("GET", "/", ""), cookie)); w.Code != 403 {
		t.Errorf("scope: %d", w.Code)
	}
	if w := serve(s.guard.Optional()(s.whoami()), request("GET", "/", "")); w.Header().Get("Vary") != "Cookie" {
		t.Error("an anonymous answer depends on the cookie too")
	}
}

// Verify is what handlers without a guard use; its errors are the guard's.
func TestSessionVerify(t *testing.T) {
	t.Parallel()
	faulty := &faultyStore{}
	faulty.TokenStore, _ = memstore.New(nil)
	s := newSite(t, &siteConfig{tokens: faulty})
	_, cookie := s.login(&store.Record{Subject: "alice"})
	cross := withCookie(request("POST", "/", ""), cookie)
	cross.Header.Set("Sec-Fetch-Site", "cross-site")
	tests := []struct {
		name    string
		r       *http.Request
		get     error
		subject string
		want    error
	}{
		{"good", withCookie(request("GET", "/", ""), cookie), nil, "alice", nil},
		{"none", request("GET", "/", ""), nil, "", middleware.ErrNoToken},
		{"over", withCookie(request("GET", "/", ""), "__Host-session=x"), nil, "", middleware.ErrInvalidToken},
		{"another origin", cross, nil, "", middleware.ErrForbidden},
		{"store down", withCookie(request("GET", "/", ""), cookie), errors.New("connection refused"), "", middleware.ErrUnavailable},
	}
	for _, tt := range tests {
		faulty.get = tt.get
		rec, err := s.session.Verify(httptest.NewRecorder(), tt.r)
		if !errors.Is(err, tt.want) || (rec != nil) != (tt.want == nil) || rec != nil && rec.Subject != tt.subject {
			t.Errorf("%s: %v, %v", tt.name, rec, err)
		}
	}
}

func TestHeaderAndCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	rec, cookie := s.login(&store.Record{Subject: "alice"})
	handle := rec.Handle.Reveal()
	tests := []struct {
		name, authorization, cookie string
		status                      int
	}{
		{"header only", "Bearer " + handle, "", 200},
		{"cookie only", "", cookie, 200},
		{"both", "Bearer " + handle, cookie, 400},
		{"both, cookie broken", "Bearer " + handle, "__Host-session=a; __Host-session=b", 400},
		{"malformed header", "Bearer a b", cookie, 401},
		{"two-part nonsense", "Bearer ", cookie, 400},
		{"another scheme is no credential", "Basic czZCaGRSa3F0Mzpn", cookie, 200},
		{"neither", "", "other=1", 401},
	}
	for _, tt := range tests {
		r := withCookie(request("GET", "/", ""), tt.cookie)
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		for name, mount := range map[string]func(...string) func(http.Handler) http.Handler{"Require": s.guard.Require, "Optional": s.guard.Optional} {
			want := tt.status
			if tt.name == "neither" && name == "Optional" {
				want = 200
			}
			if w := serve(mount()(s.whoami()), r); w.Code != want || w.Header().Get("Vary") != "Cookie" {
				t.Errorf("%s, %s: status %d, want %d; %v", tt.name, name, w.Code, want, w.Header())
			}
		}
	}
}

// A session that is over is anonymous where that is allowed and a 401 where it is not; either way its cookie goes. An
// outage touches neither.
func TestSessionOver(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		err      error
		resolve  error
		required int
		optional int
		clears   bool
	}{
		{"not found", store.ErrNotFound, nil, 401, 200, true},
		{"ended", store.ErrEnded, nil, 401, 200, true},
		{"store down", errors.New("connection refused"), nil, 503, 503, false},
		{"store gave up", context.DeadlineExceeded, nil, 503, 503, false},
		{"a row of another key", fmt.Errorf("gormstore: %w", seal.ErrUnreadable), nil, 503, 503, false},
		{"user gone", nil, store.ErrNotFound, 401, 200, true},
		{"user forbidden", nil, middleware.ErrForbidden, 403, 403, false},
		{"users down", nil, errors.New("connection refused"), 503, 503, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			faulty := &faultyStore{}
			faulty.TokenStore, _ = memstore.New(nil)
			s := newSite(t, &siteConfig{tokens: faulty, resolve: func(_ context.Context, rec *store.Record) (*store.Record, error) {
				return rec, tt.resolve
			}})
			_, cookie := s.login(&store.Record{Subject: "alice"})
			faulty.get = tt.err
			for status, mount := range map[string]func(...string) func(http.Handler) http.Handler{
				fmt.Sprint("required ", tt.required): s.guard.Require, fmt.Sprint("optional ", tt.optional): s.guard.Optional,
			} {
				w := serve(mount()(s.whoami()), withCookie(request("GET", "/", ""), cookie))
				if !strings.HasSuffix(status, fmt.Sprint(w.Code)) {
					t.Errorf("status %d, want %s", w.Code, status)
				}
				if w.Code == 200 && w.Body.String() != "anonymous" {
					t.Errorf("user %s", w.Body)
				}
				if got := s.cleared(w); (len(got) == 1) != tt.clears {
					t.Errorf("%s: cleared %v", status, got)
				}
			}
		})
	}
}

type faultyStore struct {
	store.TokenStore
	get, put error
}

func (f *faultyStore) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if f.get != nil {
		return nil, f.get
	}
	return f.TokenStore.Get(ctx, h)
}

func (f *faultyStore) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if f.put != nil {
		return nil, f.put
	}
	return f.TokenStore.Put(ctx, h, rec)
}

// Of two cookies nobody can tell which one is meant: the request is anonymous, and they go.
func TestTwoCookies(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	_, cookie := s.login(&store.Record{Subject: "alice"})
	for want, mount := range map[int]func(...string) func(http.Handler) http.Handler{401: s.guard.Require, 200: s.guard.Optional} {
		w := serve(mount()(s.whoami()), withCookie(request("GET", "/", ""), cookie+"; "+cookie))
		if got := s.cleared(w); w.Code != want || len(got) != 1 || w.Body.String() == "alice" {
			t.Errorf("%d %s %v", w.Code, w.Body, got)
		}
	}
}

// dead is a provider that refuses the grant.
type dead struct{ error }

func (dead) Outcome() keeper.Outcome { return keeper.Dead }

func TestDeadGrantClearsTheCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{refresh: keeper.RefreshFunc(func(context.Context, *store.Record) (store.Token, error) {
		return store.Token{}, dead{errors.New("invalid_grant")}
	})})
	_, cookie := s.login(&store.Record{Subject: "alice", Token: store.Token{
		AccessToken: "at", RefreshToken: "rt", Expiry: time.Now().Add(-time.Minute),
	}})
	for range 2 { // every later caller sees it too
		w := serve(s.guard.Require()(s.whoami()), withCookie(request("GET", "/", ""), cookie))
		if got := s.cleared(w); w.Code != 401 || len(got) != 1 || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%d %v %v", w.Code, got, w.Header())
		}
	}
	w := serve(s.guard.Optional()(s.whoami()), withCookie(request("GET", "/", ""), cookie))
	if got := s.cleared(w); w.Body.String() != "anonymous" || len(got) != 1 {
		t.Errorf("optional: %d %s %v", w.Code, w.Body, got)
	}
}

// With a stateless store a refresh changes the cookie: in this response, before the handler runs.
func TestCookieRewrittenBeforeTheHandler(t *testing.T) {
	t.Parallel()
	c := stateless(t, newRing(t))
	c.refresh = keeper.RefreshFunc(func(context.Context, *store.Record) (store.Token, error) {
		return store.Token{AccessToken: "new", RefreshToken: "rt2", Expiry: time.Now().Add(time.Hour)}, nil
	})
	s := newSite(t, c)
	_, cookie := s.login(&store.Record{Subject: "alice", Token: store.Token{
		AccessToken: "old", RefreshToken: "rt1", Expiry: time.Now().Add(-time.Minute),
	}})
	w := serve(s.guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if w.Header().Get("Set-Cookie") == "" {
			t.Error("the handler runs before the cookie is set")
		}
		if rec, _ := s.guard.User(r.Context()); rec.Token.AccessToken != "new" {
			t.Errorf("token %q", rec.Token.AccessToken)
		}
	})), withCookie(request("GET", "/", ""), cookie))
	if got := s.cleared(w); len(got) != 0 {
		t.Errorf("cleared %v", got)
	}
	next := cookieHeader(w)
	if next == "" || next == cookie {
		t.Fatal("the cookie was not rewritten")
	}
	w = serve(s.guard.Require()(s.whoami()), withCookie(request("GET", "/", ""), next))
	if w.Body.String() != "alice" || len(w.Result().Cookies()) != 0 {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}

// Signal mode: the token was refreshed and stored, so the request is good. Manual mode: nobody refreshed, so it is a
// 401, but the session is not over.
func TestModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[keeper.Mode]int{keeper.Signal: 200, keeper.Manual: 401} {
		synctest.Test(t, func(t *testing.T) {
			tokens, _ := memstore.New(nil)
			keep, err := keeper.New(tokens, keeper.RefreshFunc(func(context.Context, *store.Record) (store.Token, error) {
				return store.Token{AccessToken: "new", Expiry: time.Now().Add(time.Hour)}, nil
			}), &keeper.Options{Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			defer keep.Close(context.Background())
			session := &middleware.Session{Keeper: keep}
			guard, err := middleware.New(keep, middleware.Self, &middleware.Options{Session: session})
			if err != nil {
				t.Fatal(err)
			}
			s := &site{T: t, session: session, guard: guard, keep: keep}
			_, cookie := s.login(&store.Record{Subject: "alice", Token: store.Token{
				AccessToken: "old", RefreshToken: "rt", Expiry: time.Now().Add(time.Minute),
			}})
			time.Sleep(2 * time.Minute)
			w := serve(guard.Require()(s.whoami()), withCookie(request("GET", "/", ""), cookie))
			if got := s.cleared(w); w.Code != want || len(got) != 0 {
				t.Errorf("mode %d: status %d, cleared %v", mode, w.Code, got)
			}
			if w := serve(guard.Optional()(s.whoami()), withCookie(request("GET", "/", ""), cookie)); w.Code != want {
				t.Errorf("mode %d: optional: status %d", mode, w.Code)
			}
		})
	}
}

// A session that shares a grant leaves it alone when it ends, and gets its token from there.
func TestSharedGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	grant := store.Key("ulule", "42")
	token := store.Token{AccessToken: "at", Scopes: []string{"read"}}
	first, cookie := s.login(&store.Record{Subject: "alice", Grant: grant, Token: token})
	if first.Token.AccessToken != "" {
		t.Error("the session has a copy of the token")
	}
	second, _ := s.login(&store.Record{Subject: "alice", Grant: grant})
	if second.ID == first.ID {
		t.Error("two sessions, one ID")
	}
	w := serve(s.guard.Require("read")(s.whoami()), withCookie(request("GET", "/", ""), cookie))
	if w.Body.String() != "alice" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if err := s.keep.End(t.Context(), first.Handle); err != nil {
		t.Fatal(err)
	}
	if _, err := s.keep.Get(t.Context(), second.Handle); err != nil {
		t.Errorf("the other session: %v", err)
	}
}

// A login that forgot to say whose it is leaves the grant as it is.
func TestStartWithoutSubject(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	grant := store.Key("ulule", "42")
	w := httptest.NewRecorder()
	_, err := s.session.Start(w, request("POST", "/login", ""), &store.Record{Grant: grant, Token: store.Token{AccessToken: "at"}})
	if err == nil || len(w.Header()) > 0 {
		t.Errorf("%v, %v", err, w.Header())
	}
	if _, err := s.keep.Get(t.Context(), grant); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the grant began: %v", err)
	}
}

func TestLoginIgnoresWhatIsPresented(t *testing.T) {
	t.Parallel()
	s := newSite(t, &siteConfig{})
	attacker, planted := s.login(&store.Record{Subject: "mallory"})
	w := httptest.NewRecorder()
	victim, err := s.session.Start(w, withCookie(request("POST", "/login", ""), planted), &store.Record{Subject: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	if victim.ID == attacker.ID || victim.Handle == attacker.Handle || cookieHeader(w) == planted {
		t.Error("the planted session was taken over")
	}
	if rec, err := s.keep.Verify(t.Context(), attacker.Handle.Reveal()); err == nil && rec.Subject != "mallory" {
		t.Errorf("the planted cookie is %s now", rec.Subject)
	}
}

func TestStartEndsWhatCannotBeCarried(t *testing.T) {
	t.Parallel()
	c := stateless(t, newRing(t))
	s := newSite(t, c)
	w := httptest.NewRecorder()
	noise := make([]byte, 0, 40<<10)
	for len(noise) < 20<<10 {
		noise = append(noise, store.NewCredential("x").Reveal()...)
	}
	_, err := s.session.Start(w, request("POST", "/login", ""), &store.Record{Subject: "a", Token: store.Token{AccessToken: string(noise)}})
	if err == nil || !strings.Contains(err.Error(), "bytes") || len(w.Result().Cookies()) != 0 {
		t.Errorf("error %v, cookies %v", err, w.Result().Cookies())
	}
}
