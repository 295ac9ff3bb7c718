package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// demo is what is under load: the demo with PostgreSQL as its own binary, which is the front and the provider and starts
// the replicas. What it logs is the record that the judge reads.
type demo struct {
	cmd  *exec.Cmd
	url  string
	over chan struct{} // its log has ended

	mu    sync.Mutex
	pids  map[int]int // of the replicas that are up, by number
	calls []call
	kills []kill
}

type kill struct {
	replica      int
	at, replaced time.Time
}

// startDemo builds the demo into dir and runs it, its records in the database that source names.
func startDemo(ctx context.Context, p plan, dir, source string) (*demo, error) {
	binary := filepath.Join(dir, "demo")
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", "../servers", "-o", binary, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the demo: %w\n%s", err, out)
	}
	d := &demo{over: make(chan struct{}), pids: map[int]int{}}
	d.cmd = exec.CommandContext(ctx, binary, "-replicas", fmt.Sprint(p.replicas), "-store", "postgres", "-db", filepath.Join(dir, "demo.db"),
		"-addr", "127.0.0.1:0", "-provider-addr", "127.0.0.1:0", "-access-ttl", p.ttl.String(),
		"-provider-latency", p.latency.String(), "-provider-errors", fmt.Sprint(p.errors))
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(os.Interrupt) } // it ends its replicas
	d.cmd.Env = append(os.Environ(), "TOKENKEEP_POSTGRES="+source)
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	logs, err := d.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go d.follow(logs)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 5 && f[0] == "ready:" {
			d.url = f[2]
			go io.Copy(io.Discard, out) //nolint:errcheck // until it ends
			return d, nil
		}
	}
	return d, errors.Join(errors.New("the demo did not start"), d.stop())
}

// follow reads the demo's log, and that of its replicas, until all of them have ended.
func (d *demo) follow(logs io.Reader) {
	defer close(d.over)
	lines := bufio.NewReader(logs)
	for {
		text, err := lines.ReadString('\n')
		d.hear(strings.TrimSpace(text))
		if err != nil {
			return
		}
	}
}

func (d *demo) hear(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var number, pid int
	if n, _ := fmt.Sscanf(text, "process %d is up: pid %d", &number, &pid); n == 2 { // the front says so
		d.pids[number] = pid
		for i, k := range d.kills {
			if k.replica == number && k.replaced.IsZero() {
				d.kills[i].replaced = time.Now()
			}
		}
	}
	if c, ok := parseCall(text); ok {
		d.calls = append(d.calls, c)
	}
}

// rage kills one replica after the other. The demo replaces them.
func (d *demo) rage(ctx context.Context, p plan) error {
	tick := time.NewTicker(p.killEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := d.kill(n%p.replicas + 1); err != nil {
			return err
		}
	}
}

func (d *demo) kill(replica int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	pid := d.pids[replica]
	if pid == 0 {
		return fmt.Errorf("replica %d was killed before and has not come back", replica)
	}
	delete(d.pids, replica)
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	d.kills = append(d.kills, kill{replica: replica, at: time.Now()})
	return process.Kill()
}

// records are what the provider has said so far, and who was killed.
func (d *demo) records() ([]call, []kill) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]call(nil), d.calls...), append([]kill(nil), d.kills...)
}

// stop ends the demo, and returns when its log is read to the end.
func (d *demo) stop() error {
	_ = d.cmd.Process.Signal(os.Interrupt) // it may be gone: Wait says how
	<-d.over
	return d.cmd.Wait()
}
