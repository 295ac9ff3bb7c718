//go:build !chaos

package keeper_test

import "github.com/tokenkeep/tokenkeep/store/keeper"

// hook has nothing to hook in: processes die and stop at calls to the store and the provider only.
func (p *proc) hook(*keeper.Options) {}
