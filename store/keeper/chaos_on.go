//go:build chaos

package keeper

import "context"

// chaosOptions lets proofs stop, kill or reorder a keeper at the named points of the protocol: after-lease,
// before-send, after-send, after-response, before-commit, after-commit, before-revoke.
type chaosOptions struct {
	// Hook is called at each point with the record's ID.
	Hook func(ctx context.Context, point, recordID string)
}

func (c chaosOptions) at(ctx context.Context, point, recordID string) {
	if c.Hook != nil {
		c.Hook(ctx, point, recordID)
	}
}
