package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// wrk drives the load and returns what it says.
func wrk(ctx context.Context, p plan, w *world) (string, error) {
	tool, err := exec.LookPath("wrk")
	if err != nil {
		return "", fmt.Errorf("the load tool is missing (apt install wrk): %w", err)
	}
	script, err := w.script()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, tool, "-t", "2", "-c", fmt.Sprint(p.connections), "-d", fmt.Sprintf("%ds", int(p.duration.Seconds())),
		"--timeout", "30s", "--latency", "-s", script, w.site.URL)
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	return "wrk:\n  " + strings.ReplaceAll(strings.TrimSpace(string(said)), "\n", "\n  ") + "\n", err
}
