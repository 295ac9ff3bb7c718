package middleware_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

const cookieName = "__Host-kit"

// TestCookieRequests runs testdata/cookie_requests.json against a store that keeps records and against one whose cookie
// is the record.
func TestCookieRequests(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/cookie_requests.json")
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
	if err := json.Unmarshal(data, &table); err != nil || len(table.Cases) < 16 {
		t.Fatalf("%d cases, %v", len(table.Cases), err)
	}
	for _, kind := range []string{"server", "stateless"} {
		for _, c := range table.Cases {
			t.Run(kind+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				v := newCookieVector(t, kind == "stateless", strings.Contains(c.Name, "chunked"))
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

type cookieVector struct {
	*site
	stateless bool
	one, two  string // values of two sessions
	big       string // Cookie header of a session that is split
}

func newCookieVector(t *testing.T, isStateless, big bool) *cookieVector {
	t.Helper()
	var s *site
	if isStateless {
		s = newSite(t, stateless(t, newRing(t)))
	} else {
		c := &siteConfig{}
		c.session.Name = "kit"
		s = newSite(t, c)
	}
	v := &cookieVector{site: s, stateless: isStateless}
	first, _ := s.login(&store.Record{Subject: "V1"})
	second, _ := s.login(&store.Record{Subject: "V2"})
	v.one, v.two = first.Handle.Reveal(), second.Handle.Reveal()
	v.big = cookieName + "=~2~" + v.one[:20] + "; " + cookieName + "-1=" + v.one[20:]
	if big && isStateless {
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
		"<V1 single>", v.one, "<V1 under key K9>", v.foreign("V1", false), "<V1 under retired key>", v.foreign("V1", true),
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
func (v *cookieVector) foreign(subject string, retired bool) string {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		v.Fatal(err)
	}
	if retired {
		ring, err = seal.New(seal.NewKey(), seal.NewKey())
		if err != nil {
			v.Fatal(err)
		}
	}
	c := &siteConfig{}
	c.session.Name = "kit"
	if v.stateless {
		c = stateless(v.T, ring)
	}
	rec, _ := newSite(v.T, c).login(&store.Record{Subject: subject})
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

func (v *cookieVector) judge(expect, line string) {
	v.Helper()
	w := serve(v.guard.Optional()(v.whoami()), withCookie(httptest.NewRequest("GET", "/", nil), line))
	got, cleared := w.Body.String(), v.cleared(w)
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
		if w := serve(v.guard.Require()(v.whoami()), withCookie(httptest.NewRequest("GET", "/", nil), line)); w.Code != 401 {
			v.Errorf("%.100s: required: status %d", line, w.Code)
		}
	}
}
