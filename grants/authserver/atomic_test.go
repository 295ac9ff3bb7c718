package authserver_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// rounds uses one fresh credential eight times at once, fifty times, and returns the successful answers of each round.
// In some rounds the eight run in step, in others one comes upon the other half-way.
func rounds(svc *service, fresh func() string, use func(credential string) *reply) [][]*reply {
	var all [][]*reply
	for n := range 50 {
		credential := fresh()
		var mu sync.Mutex
		var round []*reply
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				time.Sleep(time.Duration(i*(n%6)) * time.Millisecond / 2)
				if got := use(credential); got.StatusCode == 200 {
					mu.Lock()
					defer mu.Unlock()
					round = append(round, got)
				} else {
					got.want(svc.t, 400, "invalid_grant")
				}
			})
		}
		wg.Wait()
		all = append(all, round)
	}
	return all
}

func once(t *testing.T, all [][]*reply) {
	t.Helper()
	for i, round := range all {
		if len(round) != 1 {
			t.Errorf("round %d: %d successes, want 1", i, len(round))
		}
	}
}

func TestEachCodeWorksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, func(set *setup) { set.delay = 2 * time.Millisecond })
		once(t, rounds(svc, func() string { return svc.allow(codeQuery).Get("code") }, svc.redeem))
	})
}

func TestEachRefreshTokenWorksOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		rotation authserver.Rotation
	}{{"and revokes", authserver.RotateAndRevoke}, {"and only rotates", authserver.RotateOnly}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				svc := newService(t, func(set *setup) {
					set.delay = 2 * time.Millisecond
					set.clients[0].Dialect = &authserver.Dialect{Rotation: tt.rotation}
				})
				fresh := func() string { _, refresh := svc.login(); return refresh }
				all := rounds(svc, fresh, func(token string) *reply { return svc.refresh(token) })
				once(t, all)
				// The winner cannot be told from a thief: revoking means revoking both.
				alive := svc.valid(all[0][0].json["access_token"].(string))
				if alive != (tt.rotation == authserver.RotateOnly) {
					t.Errorf("the winner's token is valid: %v", alive)
				}
			})
		})
	}
}

func TestGraceGivesEverybodyTheSameSuccessor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, func(set *setup) {
			set.delay = 2 * time.Millisecond
			set.clients[0].Dialect = &authserver.Dialect{Grace: 10 * time.Second}
		})
		fresh := func() string { _, refresh := svc.login(); return refresh }
		for i, round := range rounds(svc, fresh, func(token string) *reply { return svc.refresh(token) }) {
			if len(round) != 8 {
				t.Errorf("round %d: %d successes, want 8", i, len(round))
			}
			for _, got := range round {
				for _, member := range []string{"access_token", "refresh_token", "scope"} {
					if got.json[member] != round[0].json[member] {
						t.Errorf("round %d: two different values of %s", i, member)
					}
				}
			}
			if !svc.valid(round[0].json["access_token"].(string)) {
				t.Errorf("round %d: the successor is not valid", i)
			}
		}
	})
}

func TestReissueGivesParallelLoginsOneToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, func(set *setup) {
			set.delay = 2 * time.Millisecond
			set.clients[0].Dialect = &authserver.Dialect{Reissue: true, Rotation: authserver.RotateNever}
		})
		var mu sync.Mutex
		given := map[string]int{}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				access, refresh := svc.login()
				mu.Lock()
				defer mu.Unlock()
				given[access+" "+refresh]++
			})
		}
		wg.Wait()
		if recs, _, err := svc.tokens.List(t.Context(), "user-1", "", 100); err != nil || len(recs) != 1 {
			t.Errorf("%d logins are left in the store, want 1: %v", len(recs), err)
		}
		if len(given) != 1 {
			t.Errorf("%d different tokens, want 1", len(given))
		}
		for pair := range given {
			if access, _, _ := strings.Cut(pair, " "); !svc.valid(access) {
				t.Error("the token is not valid")
			}
		}
	})
}
