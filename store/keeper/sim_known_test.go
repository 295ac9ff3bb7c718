//go:build chaos

package keeper_test

import (
	"strings"
	"testing"
)

// TestKnownSeeds are histories that failed once.
func TestKnownSeeds(t *testing.T) {
	t.Parallel()
	for _, h := range []struct {
		kind    kind
		variant variant
		seed    uint64
		story   string
	}{
		{p0, ordinary, 16, "a commit met a new login under its key and answered that there is no record"},
		{p0, ordinary, 2434, "Start put a login that had been replaced in the place of the newer one"},
		{p1b, ordinary, 45994, "Start brought a record back that had been signed out"},
		{p3, ordinary, 149, "a token that came after logout was neither noted nor revoked"},
		{p2, ordinary, 4141, "End answered with the store's ErrConflict; a lost rotation was recorded as revoked"},
		{p2, ordinary, 175, "after a resend that met a 503 the token was taken as unspent"},
		{p3, cookies, 1, "a request that had found nothing at the coordinator brought a cookie back after its logout"},
		{p0, cookies, 271, "a logout's revocation overtook its own tombstone"},
		{p1c, shared, 11183, "a grant was declared dead for a token that a sibling had replaced at the same generation"},
		{p2, revokeAll, 66779, "a pair obtained after logout was revoked over a newer login, though that ends all tokens there"},
		{p2, revokeAll, 90789, "the same, with the record gone"},
		{p1b, cookies, 8531, "End of a cookie answered with the store's ErrConflict"},
	} {
		if faults, trace := simulate(t, h.kind, h.variant, h.seed, true); len(faults) > 0 {
			t.Errorf("%s: TOKENKEEP_SEED=%d, %v:\n%s\n%s", h.story, h.seed, h.kind, trace, strings.Join(faults, "\n"))
		}
	}
}
