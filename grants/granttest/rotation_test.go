package granttest_test

import (
	"cmp"
	"errors"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/granttest"
)

// dead reports whether the provider refuses a refresh token.
func dead(t *testing.T, p *granttest.Provider, refreshToken string) bool {
	t.Helper()
	_, err := refresh(t, p.Client, refreshToken)
	if e := (*grants.Error)(nil); errors.As(err, &e) && e.Class == grants.GrantDead {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// Every kind of rotation: what two uses of one refresh token get, and what lives afterwards.
func TestRotations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rotation        granttest.Rotation
		replaced        bool // a use gives another refresh token
		again           bool // the second use of one, at once, succeeds
		same            bool // and gives what the first did
		firstOutlives   bool // the first use's refresh token lives after the second use
		accessOutlives  bool // the first use's access token does
		afterSuccessor  bool // a use succeeds after its successor was used
		afterTheGrace   bool // a use succeeds half a minute later
		successorBeyond bool // and the successor lives after that
	}{
		{granttest.Fixed, false, true, false, true, true, true, true, true},
		{granttest.GraceSame, true, true, true, true, true, true, false, true},
		{granttest.GraceSibling, true, true, false, true, true, true, false, true},
		{granttest.GraceNewest, true, true, false, false, false, false, false, true},
		{granttest.GracePrevious, true, true, false, true, true, false, false, true},
		{granttest.NoGrace, true, false, false, true, true, false, false, true},
		{granttest.Revoking, true, false, false, false, false, false, false, false},
	} {
		t.Run(string(tt.rotation), func(t *testing.T) {
			t.Parallel()
			p := granttest.New(t)
			p.Rotate(tt.rotation)
			check := func(what string, got, want bool) {
				t.Helper()
				if got != want {
					t.Errorf("%s: %v, want %v", what, got, want)
				}
			}

			first := login(t, p).RefreshToken
			a, err := refresh(t, p.Client, first)
			if err != nil {
				t.Fatal(err)
			}
			check("told", a.RefreshToken != "", tt.replaced)
			a.RefreshToken = cmp.Or(a.RefreshToken, first)
			check("replaced", a.RefreshToken != first, tt.replaced)
			b, err := refresh(t, p.Client, first)
			check("second use succeeds", err == nil, tt.again)
			check("second use gives the same", b.AccessToken == a.AccessToken, tt.same)
			check("access token outlives the second use", lives(t, p, a.AccessToken), tt.accessOutlives)
			check("refresh token outlives the second use", !dead(t, p, a.RefreshToken), tt.firstOutlives)

			old := login(t, p).RefreshToken
			must(t, p, must(t, p, old).RefreshToken)
			check("use after its successor's", !dead(t, p, old), tt.afterSuccessor)

			old = login(t, p).RefreshToken
			next := must(t, p, old).RefreshToken
			p.Skew(31 * time.Second)
			check("use after the grace", !dead(t, p, old), tt.afterTheGrace)
			check("successor after that", !dead(t, p, next), tt.successorBeyond)
		})
	}
}

// A change of rotation leaves all else of a client as it was.
func TestRotateKeepsTheRest(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	short := p.Register(authserver.Client{
		ID: "short", Secret: "s", Grants: []string{"password", "refresh_token"},
		Dialect: &authserver.Dialect{AccessTTL: 20 * time.Second},
	})
	p.Rotate(granttest.GraceSame) // its grace cannot be longer than that
	tok, err := short.Password(t.Context(), "alice", granttest.Password)
	if err != nil || time.Until(tok.Expiry) > 20*time.Second {
		t.Errorf("token %v, error %v", tok, err)
	}
	again := must(t, &granttest.Provider{Client: short}, tok.RefreshToken)
	if same := must(t, &granttest.Provider{Client: short}, tok.RefreshToken); same.AccessToken != again.AccessToken {
		t.Error("the rotation has not changed")
	}
}

func TestUnknownRotation(t *testing.T) {
	t.Parallel()
	fake := &fakeT{TB: t}
	p := granttest.New(fake)
	defer p.Close()
	defer func() {
		if recover() != fake || len(fake.errors) != 1 {
			t.Errorf("an unknown rotation does not fail the test: %q", fake.errors)
		}
	}()
	p.Rotate("P4")
}
