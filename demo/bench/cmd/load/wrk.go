package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// wrk drives the load and returns what it says.
func wrk(ctx context.Context, tool string, w *world) (string, error) {
	script, err := w.script()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, tool, "-t", "2", "-c", fmt.Sprint(w.plan.connections), "-d", fmt.Sprintf("%ds", int(w.plan.duration.Seconds())),
		"--timeout", "30s", "--latency", "-s", script, w.site.URL)
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	return "wrk:\n  " + strings.ReplaceAll(strings.TrimSpace(string(said)), "\n", "\n  ") + "\n", err
}
