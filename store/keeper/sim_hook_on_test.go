//go:build chaos

package keeper_test

import (
	"context"

	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// hook makes the keeper's own points yield points, beside the calls to the store and the provider.
func (p *proc) hook(o *keeper.Options) {
	o.Hook = func(ctx context.Context, point, _ string) { p.yield(ctx, point) }
}
