package granttest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/granttest"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// The keeper over every kind of provider, whose first answer is lost in every way. Where the provider forgives, nobody
// notices; where it does not, the user is sent to login once, and never for a request that was not carried out.
func TestKeeperAndLostAnswers(t *testing.T) {
	t.Parallel()
	for rotation, forgives := range map[granttest.Rotation]bool{
		granttest.Fixed: true, granttest.GraceSame: true, granttest.GraceSibling: true, granttest.GraceNewest: true,
		granttest.GracePrevious: true, granttest.NoGrace: false, granttest.Revoking: false,
	} {
		for name, tt := range map[string]struct {
			fault granttest.Fault
			spent bool
		}{
			"dropped":         {granttest.Fault{Drop: true}, true},
			"truncated":       {granttest.Fault{Truncate: true}, true},
			"500 after":       {granttest.Fault{Status: 500}, true},
			"a page":          {granttest.Fault{Body: text("<html>")}, true},
			"500 before":      {granttest.Fault{Ignore: true, Status: 500}, false},
			"dropped before":  {granttest.Fault{Ignore: true, Drop: true}, false},
			"nothing at all":  {granttest.Fault{}, false},
			"slow both sides": {granttest.Fault{Before: 5 * time.Millisecond, After: 5 * time.Millisecond}, false},
		} {
			t.Run(string(rotation)+" "+name, func(t *testing.T) {
				t.Parallel()
				p := granttest.New(t)
				p.Rotate(rotation)
				tokens, err := memstore.New(nil)
				if err != nil {
					t.Fatal(err)
				}
				keep, err := keeper.New(tokens, p.Client, &keeper.Options{ // a fifth of the defaults
					SendBudget: 1600 * time.Millisecond, CommitBudget: time.Second, ClockMargin: 400 * time.Millisecond, Lease: 3 * time.Second,
				})
				if err != nil {
					t.Fatal(err)
				}
				defer keep.Close(t.Context())
				token := login(t, p)
				token.Expiry = time.Now()
				rec, err := keep.Start(t.Context(), store.Key("partner", "alice"), &store.Record{Token: token})
				if err != nil {
					t.Fatal(err)
				}
				p.Next("refresh_token", tt.fault)
				got, err := keep.Get(t.Context(), rec.Handle)
				if tt.spent && !forgives {
					_, again := keep.Get(t.Context(), rec.Handle)
					if !errors.Is(err, keeper.ErrLoginRequired) || !errors.Is(again, keeper.ErrLoginRequired) {
						t.Errorf("got %v, then %v, want ErrLoginRequired", err, again)
					}
					if n := len(p.Requests("refresh_token")); n < 2 || n > 4 { // more on a machine that stalls
						t.Errorf("%d requests, want the lost one and its repetition", n)
					}
					return
				}
				if err != nil {
					t.Fatalf("%v\n%v", err, p.Requests())
				}
				if !lives(t, p, got.Token.AccessToken) || (got.Token.RefreshToken != token.RefreshToken) == (rotation == granttest.Fixed) {
					t.Error("the record has no good token")
				}
				if dead(t, p, got.Token.RefreshToken) {
					t.Error("the refresh token that was kept is dead")
				}
			})
		}
	}
}
