package guardtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

const cookieName = "__Host-kit"

// SessionGuard is the guard under test where browsers are concerned.
type SessionGuard = middleware.Guard[*store.Record]

// RunCookies runs the table in file, testdata/cookie_requests.json, against a store that keeps records and against one
// whose cookie is the record. mount puts the guard in front of next, as Optional or as Require.
func RunCookies(t *testing.T, file string, mount func(guard *SessionGuard, optional bool, next http.HandlerFunc) http.Handler) {
	data, err := os.ReadFile(file) //nolint:gosec // G304: a test names its own table
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Cases []struct {
			Name   string
			Cookie []string
			Expect string
		}
	}
	if err := json.Unmarshal(data, &table); err != nil || len(table.Cases) < 16 { //nolint:musttag // the table's names are the fields', in lower case
		t.Fatalf("%d cases, %v", len(table.Cases), err)
	}
	for _, kind := range []string{"server", "stateless"} {
		for _, c := range table.Cases {
			t.Run(kind+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				v := newCookieVector(t, kind == "stateless", strings.Contains(c.Name, "chunked"))
				v.optional = mount(v.guard, true, v.whoami)
				v.required = mount(v.guard, false, v.whoami)
				if c.Name == "old value after logout" {
					if err := v.keep.End(t.Context(), store.Credential("session", v.one)); err != nil {
						t.Fatal(err)
					}
				}
				for _, line := range v.expand(c.Cookie[0]) {
					v.judge(c.Expect, line)
				}
			})
		}
	}
}

// browserSite is a site with sessions in cookies.
type browserSite struct {
	*testing.T
	session *middleware.Session
	guard   *SessionGuard
	keep    *keeper.Keeper
	tokens  store.TokenStore
}

func newBrowserSite(t *testing.T, ring *seal.Ring, stateless bool) *browserSite {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	memory, err := memstore.New(nil)
	must(err)
	s := &browserSite{T: t, tokens: memory}
	if stateless {
		s.tokens, err = cookiestore.New(ring, cookiestore.Coordinator(memory))
		must(err)
	}
	s.keep, err = keeper.New(s.tokens, nil, nil)
	must(err)
	t.Cleanup(func() { s.keep.Close(context.Background()) })
	s.session = &middleware.Session{Keeper: s.keep, Ring: ring, Name: "kit"}
	s.guard, err = middleware.New(s.keep, middleware.Self, &middleware.Options{Session: s.session, Logger: slog.New(slog.DiscardHandler)})
	must(err)
	return s
}

func newRing(t *testing.T, keys int) *seal.Ring {
	t.Helper()
	all := make([][]byte, keys)
	for i := range all {
		all[i] = seal.NewKey()
	}
	ring, err := seal.New(all...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// login starts a session and returns what the browser's Cookie header is from then on.
func (s *browserSite) login(rec *store.Record) (*store.Record, string) {
	s.Helper()
	w := httptest.NewRecorder()
	started, err := s.session.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), rec)
	if err != nil {
		s.Fatal(err)
	}
	var pairs []string
	for _, c := range w.Result().Cookies() {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return started, strings.Join(pairs, "; ")
}

// whoami answers the subject, or "anonymous".
func (s *browserSite) whoami(w http.ResponseWriter, r *http.Request) {
	name := "anonymous"
	if rec, ok := s.guard.User(r.Context()); ok {
		name = rec.Subject
	}
	fmt.Fprint(w, name)
}

// Cleared returns the names of the cookies that an answer expires, and fails unless every Set-Cookie is as it must be.
func Cleared(t testing.TB, w *httptest.ResponseRecorder, insecure bool) (names []string) {
	t.Helper()
	prefix := "__Host-"
	if insecure {
		prefix = ""
	}
	seen := map[string]bool{}
	for _, c := range w.Result().Cookies() {
		sameSite := c.SameSite == http.SameSiteLaxMode || c.SameSite == http.SameSiteStrictMode
		if !strings.HasPrefix(c.Name, prefix) || c.Path != "/" || c.Secure == insecure || !c.HttpOnly || !sameSite || c.Domain != "" ||
			len(c.Name)+len(c.Value) > 4096 || c.MaxAge == 0 || c.MaxAge > 34560000 || seen[c.Name] || !c.Expires.IsZero() {
			t.Errorf("Set-Cookie: %s", c.Raw)
		}
		seen[c.Name] = true
		if c.MaxAge < 0 {
			names = append(names, c.Name)
			if c.Value != "" {
				t.Errorf("cleared with a value: %s", c.Raw)
			}
		}
	}
	if len(seen) > 0 && (w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Vary") != "Cookie") {
		t.Errorf("Cache-Control %q, Vary %q", w.Header().Get("Cache-Control"), w.Header().Get("Vary"))
	}
	return names
}

type cookieVector struct {
	*browserSite
	stateless          bool
	one, two           string // values of two sessions
	big                string // Cookie header of a session that is split
	optional, required http.Handler
}

func newCookieVector(t *testing.T, stateless, big bool) *cookieVector {
	t.Helper()
	s := newBrowserSite(t, newRing(t, 1), stateless)
	v := &cookieVector{browserSite: s, stateless: stateless}
	first, _ := s.login(&store.Record{Subject: "V1"})
	second, _ := s.login(&store.Record{Subject: "V2"})
	v.one, v.two = first.Handle.Reveal(), second.Handle.Reveal()
	v.big = cookieName + "=~2~" + v.one[:20] + "; " + cookieName + "-1=" + v.one[20:]
	if big && stateless {
		var noise strings.Builder
		for noise.Len() < 5000 {
			noise.WriteString(store.NewCredential("x").Reveal())
		}
		_, v.big = s.login(&store.Record{Subject: "V1", Token: store.Token{AccessToken: noise.String()}})
	}
	return v
}

// expand replaces the generators of the table; one line may stand for many.
func (v *cookieVector) expand(line string) []string {
	v.Helper()
	part0, part1, ok := strings.Cut(v.big, "; ")
	if !ok {
		v.Fatalf("not split: %.80s", v.big)
	}
	switch {
	case strings.Contains(line, "<V1^bit>"):
		return v.flips()
	case strings.Contains(line, "<V1~bits>"):
		return v.nonCanonical()
	case strings.Contains(line, "<3000 x a=;>"):
		return []string{strings.Repeat("a=; ", 3000)}
	}
	return []string{strings.NewReplacer(
		"__Host-kit=<part0>", part0, "__Host-kit-1=<old part1>", part1,
		"<V1 single>", v.one, "<V1 under key K9>", v.foreign(false), "<V1 under retired key>", v.foreign(true),
		"<V1 issued +600s>", v.fromTheFuture(), "<V1>", v.one, "<V2>", v.two,
	).Replace(line)}
}

func (v *cookieVector) flips() (lines []string) {
	raw, err := base64.RawURLEncoding.DecodeString(v.one)
	if err != nil {
		v.Fatal(err)
	}
	for i := range raw {
		if i >= 64 && i < len(raw)-32 {
			continue
		}
		for bit := range 8 {
			raw[i] ^= 1 << bit
			lines = append(lines, cookieName+"="+base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1 << bit
		}
	}
	return lines
}

// nonCanonical sets the bits that the last character has to spare, if it has any.
func (v *cookieVector) nonCanonical() (lines []string) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	want, _ := base64.RawURLEncoding.DecodeString(v.one)
	for _, c := range alphabet {
		text := v.one[:len(v.one)-1] + string(c)
		if got, err := base64.RawURLEncoding.DecodeString(text); err == nil && string(got) == string(want) && text != v.one {
			lines = append(lines, cookieName+"="+text)
		}
	}
	return lines
}

// foreign is a session of a deployment with other keys.
func (v *cookieVector) foreign(retired bool) string {
	keys := 1
	if retired {
		keys = 2
	}
	rec, _ := newBrowserSite(v.T, newRing(v.T, keys), v.stateless).login(&store.Record{Subject: "V1"})
	return rec.Handle.Reveal()
}

func (v *cookieVector) fromTheFuture() string {
	rec := &store.Record{ID: "future", Subject: "V1", Created: time.Now().Add(10 * time.Minute), Expires: time.Now().Add(time.Hour)}
	out, err := v.tokens.Put(v.Context(), store.Handle{}, rec)
	if err != nil {
		v.Fatal(err)
	}
	return out.Handle.Reveal()
}

func (v *cookieVector) get(h http.Handler, line string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Cookie"] = []string{line}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func (v *cookieVector) judge(expect, line string) {
	v.Helper()
	w := v.get(v.optional, line)
	got, cleared := w.Body.String(), Cleared(v, w, false)
	if w.Code != 200 {
		v.Errorf("%.100s: status %d", line, w.Code)
	}
	want := "anonymous"
	if strings.HasPrefix(expect, "session V1") && !strings.Contains(expect, "or anonymous") {
		want = "V1"
	}
	if strings.Contains(expect, "cookie store: anonymous where a revocation list") {
		want = "anonymous" // the coordinator is that list
	}
	if got != want && !(strings.Contains(expect, "or anonymous") && got == "V1") {
		v.Errorf("%.100s: %s, want %s", line, got, expect)
	}
	switch {
	case strings.Contains(expect, "Set-Cookie clears it once"):
		if len(cleared) != 1 || cleared[0] != cookieName {
			v.Errorf("cleared %v", cleared)
		}
	case strings.Contains(expect, "the stale part cleared"):
		if len(cleared) != 1 || cleared[0] != cookieName+"-1" {
			v.Errorf("cleared %v", cleared)
		}
	case got == "V1" && len(cleared) > 0:
		v.Errorf("%.100s: cleared %v", line, cleared)
	}
	if got == "anonymous" {
		if w := v.get(v.required, line); w.Code != 401 {
			v.Errorf("%.100s: required: status %d", line, w.Code)
		}
	}
}
