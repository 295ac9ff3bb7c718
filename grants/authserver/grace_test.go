package authserver_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// What providers do with a refresh token that is used, and used again. A step "a b" uses a and gets b: a new token, if b
// was not named before, else that very one; "a -" is refused, "a - b" too and also b's access token is dead afterwards,
// "wait" lets the grace pass.
func TestKindsOfRotation(t *testing.T) {
	t.Parallel()
	const grace = 10 * time.Second
	for _, tt := range []struct {
		name    string
		dialect authserver.Dialect
		steps   []string
		live    string // refresh tokens whose access tokens are valid in the end
	}{
		{
			"P0 never rotates", authserver.Dialect{Rotation: authserver.RotateNever},
			[]string{"a a", "a a", "wait", "a a"}, "a",
		},
		{
			"P1a the same successor", authserver.Dialect{Rotation: authserver.RotateOnly, Grace: grace},
			[]string{"a b", "a b", "b c", "a b", "b c", "wait", "a -", "b -", "c d"}, "abcd",
		},
		{
			"P1b a sibling", authserver.Dialect{Rotation: authserver.RotateOnly, Grace: grace, GraceRule: authserver.GraceSibling},
			[]string{"a b", "a c", "b d", "a e", "c f", "d g", "wait", "a -", "b -", "e h"}, "abcdefgh",
		},
		{
			"P1c a sibling, and only the newest lives",
			authserver.Dialect{Rotation: authserver.RotateOnly, Grace: grace, GraceRule: authserver.GraceNewest},
			[]string{"a b", "a c", "b - b", "a d", "c - c", "d e", "a -", "d f", "e - e", "wait", "d -", "f g"}, "adfg",
		},
		{
			"P1d a sibling, the previous generation only",
			authserver.Dialect{Rotation: authserver.RotateOnly, Grace: grace, GraceRule: authserver.GracePrevious},
			[]string{"a b", "a c", "b d", "a -", "c e", "b f", "d g", "b -", "wait", "d -", "e h"}, "abcdefgh",
		},
		{
			"P1d a sibling that comes late does not turn the generations back",
			authserver.Dialect{Rotation: authserver.RotateOnly, Grace: grace, GraceRule: authserver.GracePrevious},
			[]string{"a b", "a c", "b d", "d e", "c f", "b -", "e g"}, "abcdefg",
		},
		{
			"P2 refuses", authserver.Dialect{Rotation: authserver.RotateOnly},
			[]string{"a b", "a -", "b c", "a -", "b -"}, "abc",
		},
		{
			"P3 refuses and revokes", authserver.Dialect{},
			[]string{"a b", "b c", "a - c", "c -", "b -"}, "",
		},
		{
			"P1b, then P3", authserver.Dialect{Grace: grace, GraceRule: authserver.GraceSibling},
			[]string{"a b", "a c", "b d", "wait", "a - d", "c -", "d -"}, "",
		},
		{
			"P1c, then P3: a token whose successor was used", authserver.Dialect{Grace: grace, GraceRule: authserver.GraceNewest},
			[]string{"a b", "b c", "a - c", "c -"}, "",
		},
		{
			"P1d, then P3: two generations back", authserver.Dialect{Grace: grace, GraceRule: authserver.GracePrevious},
			[]string{"a b", "a c", "c d", "a - d", "b -"}, "",
		},
	} {
		for _, views := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, views %v", tt.name, views), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					svc := newService(t, func(set *setup) { set.clients[0].Dialect, set.views = &tt.dialect, views })
					access, refresh := map[string]string{}, map[string]string{}
					access["a"], refresh["a"] = svc.login()
					for i, step := range tt.steps {
						use, gets, _ := strings.Cut(step, " ")
						if use == "wait" {
							time.Sleep(grace)
							continue
						}
						got := svc.refresh(refresh[use])
						if gets, dead, _ := strings.Cut(gets, " "); gets == "-" {
							got.want(t, 400, "invalid_grant")
							if dead != "" && svc.valid(access[dead]) {
								t.Errorf("step %d, %s: the access token of %s lives on", i, step, dead)
							}
							continue
						}
						token := text(t, got, "refresh_token")
						for name, other := range refresh {
							if (name == gets) != (other == token) {
								t.Errorf("step %d, %s: got %s: %v", i, step, name, other == token)
							}
						}
						access[gets], refresh[gets] = text(t, got, "access_token"), token
					}
					for name := range refresh {
						if svc.valid(access[name]) != strings.Contains(tt.live, name) {
							t.Errorf("the access token of %s is valid: %v", name, svc.valid(access[name]))
						}
					}
				})
			})
		}
	}
}

// Eight uses of one token at once, in the graces that answer with siblings: everybody gets in, and what is alive
// afterwards is as the rule says.
func TestSiblingsAtOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule authserver.GraceRule
		live int
	}{
		"all": {authserver.GraceSibling, 8}, "newest": {authserver.GraceNewest, 1}, "previous": {authserver.GracePrevious, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				svc := newService(t, func(set *setup) {
					set.delay = 2 * time.Millisecond
					set.clients[0].Dialect = &authserver.Dialect{
						Rotation: authserver.RotateOnly, Grace: 10 * time.Second, GraceRule: tt.rule,
					}
				})
				for range 10 {
					_, token := svc.login()
					var mu sync.Mutex
					var given []*reply
					var wg sync.WaitGroup
					for i := range 8 {
						wg.Go(func() {
							time.Sleep(time.Duration(i) * time.Millisecond)
							got := svc.refresh(token)
							mu.Lock()
							defer mu.Unlock()
							given = append(given, got)
						})
					}
					wg.Wait()
					pairs, live := map[string]bool{}, 0
					for _, got := range given {
						pairs[text(t, got, "refresh_token")] = true
						if svc.valid(text(t, got, "access_token")) {
							live++
						}
					}
					if len(pairs) != 8 || live != tt.live {
						t.Errorf("%d pairs, %d alive, want 8 and %d", len(pairs), live, tt.live)
					}
					works := 0
					for token := range pairs {
						if svc.refresh(token).StatusCode == 200 {
							works++
						}
					}
					if works != tt.live {
						t.Errorf("%d of the refresh tokens work, want %d", works, tt.live)
					}
				}
			})
		})
	}
}

// The login ends while a refresh is on its way: what it got must not live.
func TestGraceOfAnEndedLogin(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]authserver.GraceRule{
		"same": authserver.GraceSame, "sibling": authserver.GraceSibling, "newest": authserver.GraceNewest, "previous": authserver.GracePrevious,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t, withDialect(authserver.Dialect{Grace: 10 * time.Second, GraceRule: rule}))
			_, token := svc.login()
			second := text(t, svc.refresh(token), "refresh_token")
			svc.post("/revoke", "token", second).want(t, 200, "")
			svc.refresh(token).want(t, 400, "invalid_grant")
			svc.refresh(second).want(t, 400, "invalid_grant")
		})
	}
}

// The same answer again, in the access token's last second: a client that took 0 for "not known" would keep a
// dead token.
func TestGraceTellsALifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withDialect(authserver.Dialect{Rotation: authserver.RotateOnly, Grace: 5 * time.Second, AccessTTL: 5 * time.Second}))
		_, token := svc.login()
		first := svc.refresh(token)
		time.Sleep(4500 * time.Millisecond)
		again := svc.refresh(token)
		if text(t, again, "access_token") != text(t, first, "access_token") || again.json["expires_in"] != 1.0 {
			t.Errorf("expires_in %v, want the same token for 1 s", again.json["expires_in"])
		}
		svc.refresh(text(t, again, "refresh_token")).want(t, 200, "")
	})
}

// Whatever call of the store fails, before or after its effect, while a spent token is used again within the grace: the
// next use gets a pair that works.
func TestGraceStoreFailures(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]authserver.GraceRule{
		"same": authserver.GraceSame, "sibling": authserver.GraceSibling, "newest": authserver.GraceNewest, "previous": authserver.GracePrevious,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= 16; n++ { // more calls than two refreshes need
				for _, after := range []bool{false, true} {
					svc := newService(t, withDialect(authserver.Dialect{Rotation: authserver.RotateOnly, Grace: time.Minute, GraceRule: rule}))
					_, token := svc.login()
					svc.tokens.failNext(n, after)
					for range 2 {
						if got := svc.refresh(token); got.StatusCode != 200 {
							got.want(t, 503, "temporarily_unavailable")
						}
					}
					svc.tokens.failNext(0, false)
					got := svc.refresh(token)
					if !svc.valid(text(t, got, "access_token")) {
						t.Errorf("call %d, after %v: the access token is dead", n, after)
					}
					svc.refresh(text(t, got, "refresh_token")).want(t, 200, "")
				}
			}
		})
	}
}

// Another process ends the login, or uses the token, between two steps of a refresh.
func TestPreviousGenerationOfALoginThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, func(set *setup) {
			set.delay = 2 * time.Millisecond
			set.clients[0].Dialect = &authserver.Dialect{Grace: time.Minute, GraceRule: authserver.GracePrevious}
		})
		for wait := range 16 {
			access, token := svc.login()
			var wg sync.WaitGroup
			wg.Go(func() {
				time.Sleep(time.Duration(wait) * time.Millisecond)
				svc.post("/revoke", "token", token).want(t, 200, "")
			})
			got := svc.refresh(token)
			wg.Wait()
			if got.StatusCode != 200 {
				got.want(t, 400, "invalid_grant")
			} else if svc.valid(text(t, got, "access_token")) {
				t.Errorf("revoked after %d ms, and what a refresh got lives on", wait)
			}
			if svc.valid(access) {
				t.Error("the first access token lives on")
			}
		}
	})
}
