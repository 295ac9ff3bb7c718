package granttest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// Rotation is what becomes of refresh tokens that were used. An application that keeps its users signed in under each of
// these does so at every provider known.
type Rotation string

// The kinds of providers. A replaced token's grace is 30 seconds, or its access token's whole life if that is shorter.
// What comes too late for it is refused, as by [NoGrace].
const (
	Fixed         Rotation = "P0"  // never replaced; answers to refreshes leave it out
	GraceSame     Rotation = "P1a" // replaced; within the grace the replaced one gets the same successor again
	GraceSibling  Rotation = "P1b" // as before, but another pair each time, and all of them live
	GraceNewest   Rotation = "P1c" // as before, but only the newest pair lives
	GracePrevious Rotation = "P1d" // as GraceSibling, but a token is refused as soon as its successor was used
	NoGrace       Rotation = "P2"  // replaced, and the replaced one is refused
	Revoking      Rotation = "P3"  // replaced, and a second use ends the login, its access tokens included
)

const grace = 30 * time.Second

// apply makes d rotate as r says, and leaves its other settings.
func (r Rotation) apply(d *authserver.Dialect) error {
	d.Rotation, d.Grace, d.GraceRule, d.OmitRefresh = authserver.RotateOnly, 0, authserver.GraceSame, false
	rule, graceful := map[Rotation]authserver.GraceRule{
		GraceSame: authserver.GraceSame, GraceSibling: authserver.GraceSibling,
		GraceNewest: authserver.GraceNewest, GracePrevious: authserver.GracePrevious,
	}[r]
	switch {
	case graceful:
		d.GraceRule, d.Grace = rule, min(grace, cmp.Or(d.AccessTTL, time.Hour))
	case r == Fixed:
		d.Rotation, d.OmitRefresh = authserver.RotateNever, true
	case r == Revoking:
		d.Rotation = authserver.RotateAndRevoke
	case r != NoGrace:
		return fmt.Errorf("no such rotation: %q", string(r))
	}
	return nil
}
