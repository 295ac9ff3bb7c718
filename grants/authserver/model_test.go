package authserver_test

import (
	"fmt"
	"math/rand"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// modelPair is a pair as the documentation of [authserver.Dialect] has it: the model knows nothing of records.
type modelPair struct {
	login           *modelLogin
	access, refresh string
	expires, idle   time.Time // of the access token, of the refresh token
	revoked         bool      // the access token
	spent           time.Time
	successor       *modelPair
}

type modelLogin struct {
	ended bool
	until time.Time
}

func (p *modelPair) opens(now time.Time) bool {
	return !p.login.ended && !p.revoked && now.Before(p.expires)
}

func (p *modelPair) refreshes(now time.Time) bool {
	return !p.login.ended && p.spent.IsZero() && now.Before(p.idle)
}

// Whatever is done in whatever order, at two processes with one store, each token is good for as long as it should be, for its
// client, and for nothing else.
func TestTokensAgainstAModel(t *testing.T) {
	t.Parallel()
	for _, d := range []authserver.Dialect{
		{}, {Rotation: authserver.RotateOnly}, {Rotation: authserver.RotateNever}, {Grace: 30 * time.Second},
		{Rotation: authserver.RotateOnly, Grace: time.Minute},
	} {
		d.AccessTTL, d.RefreshTTL, d.GrantTTL = 2*time.Minute, 5*time.Minute, 12*time.Minute
		for _, signed := range []bool{false, true} {
			t.Run(fmt.Sprintf("rotation %d, grace %s, signed %v", d.Rotation, d.Grace, signed), func(t *testing.T) {
				t.Parallel()
				for seed := range int64(4) {
					synctest.Test(t, func(t *testing.T) {
						change := withDialect(d)
						if signed {
							change = withJWT(t, d)
						}
						one, two := replicas(t, change)
						(&model{t: t, d: d, services: []*service{one, two}, random: rand.New(rand.NewSource(seed))}).run(70)
					})
				}
			})
		}
	}
}

type model struct {
	t        *testing.T
	d        authserver.Dialect
	services []*service
	random   *rand.Rand
	pairs    []*modelPair
}

func (m *model) run(steps int) {
	for step := range steps {
		what := m.step(m.services[m.random.Intn(2)])
		now := time.Now()
		for i, p := range m.pairs {
			svc := m.services[m.random.Intn(2)]
			if got := svc.valid(p.access); got != p.opens(now) {
				m.t.Fatalf("step %d, %s: the access token of pair %d is valid: %v", step, what, i, got)
			}
			if svc.valid(p.refresh) {
				m.t.Fatalf("step %d, %s: the refresh token of pair %d opens resources", step, what, i)
			}
			if got := m.services[0].introspects(p.refresh); got != p.refreshes(now) {
				m.t.Fatalf("step %d, %s: the refresh token of pair %d is active: %v", step, what, i, got)
			}
		}
	}
}

func (m *model) step(svc *service) string {
	if len(m.pairs) == 0 || m.random.Intn(10) == 0 {
		access, refresh := svc.login()
		login := &modelLogin{until: time.Now().Add(m.d.GrantTTL)}
		m.pairs = append(m.pairs, m.pair(login, access, refresh))
		return "login"
	}
	i := m.random.Intn(len(m.pairs))
	p := m.pairs[i]
	switch m.random.Intn(12) {
	case 0:
		svc.post("/revoke", "token", p.access).want(m.t, 200, "")
		p.revoked = true
		return fmt.Sprintf("revoke access %d", i)
	case 1:
		if m.random.Intn(3) == 0 {
			svc.post("/revoke", "token", p.refresh).want(m.t, 200, "")
			p.login.ended = p.login.ended || time.Now().Before(p.idle) // one that has expired is not there
		}
		return fmt.Sprintf("revoke refresh %d", i)
	case 2, 3, 4:
		time.Sleep(time.Duration(m.random.Intn(60)) * time.Second)
		return "wait"
	case 5:
		svc.refresh(p.access).want(m.t, 400, "invalid_grant")
		svc.postAs("other", "other-"+secret, "/token", "grant_type", "refresh_token", "refresh_token", p.refresh).want(m.t, 400, "invalid_grant")
		if got := svc.postAs("other", "other-"+secret, "/revoke", "token", p.refresh); got.StatusCode != 200 {
			got.want(m.t, 400, "unauthorized_client")
		}
		return fmt.Sprintf("another client's refresh %d", i)
	default:
		m.refresh(svc, p)
		return fmt.Sprintf("refresh %d", i)
	}
}

func (m *model) pair(login *modelLogin, access, refresh string) *modelPair {
	now := time.Now()
	early := func(at time.Time) time.Time {
		if login.until.Before(at) {
			return login.until
		}
		return at
	}
	return &modelPair{login: login, access: access, refresh: refresh, expires: early(now.Add(m.d.AccessTTL)), idle: early(now.Add(m.d.RefreshTTL))}
}

func (m *model) refresh(svc *service, p *modelPair) {
	now := time.Now()
	got := svc.refresh(p.refresh)
	switch {
	case p.refreshes(now):
		next := m.pair(p.login, text(m.t, got, "access_token"), text(m.t, got, "refresh_token"))
		if m.d.Rotation == authserver.RotateNever {
			if next.refresh != p.refresh {
				m.t.Fatal("rotated")
			}
			next.idle = p.idle
		} else {
			p.spent, p.successor = now, next
		}
		m.pairs = append(m.pairs, next)
	case p.login.ended || !now.Before(p.idle):
		got.want(m.t, 400, "invalid_grant")
	case now.Before(p.spent.Add(m.d.Grace)):
		if text(m.t, got, "access_token") != p.successor.access || text(m.t, got, "refresh_token") != p.successor.refresh {
			m.t.Fatal("another successor within the grace")
		}
	default:
		got.want(m.t, 400, "invalid_grant")
		p.login.ended = p.login.ended || m.d.Rotation == authserver.RotateAndRevoke
	}
}
