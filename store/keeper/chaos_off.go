//go:build !chaos

package keeper

import "context"

// chaosOptions is empty but under the build tag chaos, where tests stop the keeper at named points.
type chaosOptions struct{}

func (chaosOptions) at(context.Context, string, string) {}
