// Package proc runs parts of a measurement in processes of their own: this program again, under another name.
package proc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

const variable = "TOKENKEEP_BENCH_CHILD"

// Part is what a child process does. Its standard output is the parent's to read.
type Part func(args []string) error

// Main runs the part this process was started for, and ends it; in a first process it does nothing. Programs and test
// binaries that use [Command] call it first thing.
func Main(parts map[string]Part) {
	name := os.Getenv(variable)
	if name == "" {
		return
	}
	part, ok := parts[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such part:", name)
		os.Exit(2)
	}
	if err := part(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Command is this program as the named part. The child ends with ctx.
func Command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), variable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd, nil
}
