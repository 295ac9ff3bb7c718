//go:build chaos

package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// follow makes the worker end or stop itself at a named point, as "kill:before-commit:3" says: by SIGKILL when it
// comes there for the third time. "stop" is SIGSTOP; the driver lets it go on after two leases.
func follow(o *keeper.Options, plan string, report *reporter) {
	parts := strings.Split(plan, ":")
	if len(parts) != 3 {
		return
	}
	action, point := parts[0], parts[1]
	left, _ := strconv.ParseInt(parts[2], 10, 64)
	var passes atomic.Int64
	o.Hook = func(_ context.Context, at, _ string) {
		if at != point || passes.Add(1) != left {
			return
		}
		signal := syscall.SIGKILL
		if action == "stop" {
			report.tell(message{Kind: "stop"})
			signal = syscall.SIGSTOP
		}
		syscall.Kill(os.Getpid(), signal)
		if action == "kill" {
			select {} // the signal is on its way
		}
	}
}
