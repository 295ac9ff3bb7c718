package calling

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/proc"
)

func TestMain(m *testing.M) {
	proc.Main(map[string]proc.Part{"storm": Child})
	m.Run()
}

func TestLiarsAreCaught(t *testing.T) {
	t.Parallel()
	forever := func(s *measure.Scene, base http.RoundTripper, _ time.Time) (*caller, func() error, error) {
		return floorCaller(s, base, time.Now().Add(time.Hour))
	}
	inPlace := func(s *measure.Scene, base http.RoundTripper, expires time.Time) (*caller, func() error, error) {
		c, closer, err := floorCaller(s, base, expires)
		c.transport = tripper(func(r *http.Request) (*http.Response, error) {
			r.Header.Set("Authorization", "Bearer "+validTok)
			return base.RoundTrip(r)
		})
		return c, closer, err
	}
	for _, tt := range []struct {
		name, want string
		open       opener
	}{
		{"honest", "", floorCaller}, {"sends expired tokens", "sends an expired token", forever}, {"writes into the request", "changes the request", inPlace},
	} {
		base := &api{header: http.Header{}}
		c, _, err := tt.open(&measure.Scene{}, base, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		err = honest(&measure.Scene{}, tt.open, c, base)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A party that hands out something although the provider refused the grant.
func TestLyingPartyIsCaught(t *testing.T) {
	t.Parallel()
	liar := party{"liar", measure.Peer, nil, func(*scenario) (get, func() error, error) {
		return func(context.Context) (string, error) { return "access-1", nil }, nil, nil
	}}
	trial, err := stormRow("storm", liar, 8, 1).Setup(&measure.Scene{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := measure.CheckHonesty(trial); err == nil || !strings.Contains(err.Error(), "although the grant is refused") {
		t.Error(err)
	}
}

// Four processes, one refresh: nobody fails and nothing is spent twice.
func TestStormInProcesses(t *testing.T) {
	t.Parallel()
	o, err := storm(t.Context(), sqliteParty, t.TempDir(), 40, 4, refreshToken(0))
	if err != nil || o.requests != 1 || o.failed != 0 || o.reused != 0 {
		t.Errorf("%+v, %v", o, err)
	}
}
