//go:build !chaos

package main

import (
	"fmt"
	"os"

	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// follow needs the keeper's named points, which exist under the build tag only.
func follow(_ *keeper.Options, plan string, _ *reporter) {
	if plan != "" {
		fmt.Fprintln(os.Stderr, "chaos: build with -tags chaos")
		os.Exit(1)
	}
}
