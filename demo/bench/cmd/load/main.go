// Command load runs the whole thing under load and judges what happened: the demo as four replicas behind its front, with
// PostgreSQL, every session's token expiring within the run; the provider takes 200 ms and fails one token request in twenty,
// and every ten seconds a replica is killed. wrk (Debian: apt install wrk) is the load.
//
//	TOKENKEEP_POSTGRES=127.0.0.1:5432 go -C demo/bench run ./cmd/load
//	TOKENKEEP_POSTGRES=127.0.0.1:5432 go -C demo/bench run ./cmd/load -short    for CI, a minute in all
//
// The exit code is 1 if a user had to log in again, a refresh was sent twice without a reason, a request failed although its
// token was valid, or somebody saw what is another's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

// plan is one run's settings.
type plan struct {
	sessions    int
	replicas    int
	duration    time.Duration
	ttl         time.Duration // of the access tokens
	killEvery   time.Duration
	latency     time.Duration // of the provider's token requests
	errors      float64       // share of them that fail
	connections int
	write       bool
}

// String is what a reader has to know about a run.
func (p plan) String() string {
	return fmt.Sprintf("%s, %s, %d cores, load average before %s:\ndemo -replicas %d with PostgreSQL, %d sessions, access tokens of %v; %v of load; a replica killed every %v;\n"+
		"the provider takes %v for a token request and fails %.0f %% of them",
		time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.Version(), runtime.NumCPU(), loadAverage(), p.replicas, p.sessions, p.ttl,
		p.duration, p.killEvery, p.latency, p.errors*100)
}

// loadAverage says how busy the machine is with other things, where that can be told.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(text)); err == nil && len(f) > 0 {
		return f[0]
	}
	return "unknown"
}

const (
	readme    = "README.md"
	beginMark = "<!-- load: written by cmd/load -write, not by hand -->"
	endMark   = "<!-- end of load -->"
)

// note puts the result between the README's marks.
func note(said string) error {
	old, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(old), beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: the marks are gone", readme)
	}
	return os.WriteFile(readme, []byte(before+beginMark+"\n\n```\n"+said+"```\n\n"+endMark+after), 0o644)
}

func main() {
	p := plan{}
	flag.IntVar(&p.sessions, "sessions", 10_000, "sessions, each of which expires within the run")
	flag.IntVar(&p.replicas, "replicas", 4, "processes behind the front")
	flag.DurationVar(&p.duration, "duration", time.Minute, "how long the load lasts")
	flag.DurationVar(&p.ttl, "ttl", time.Minute, "lifetime of the access tokens")
	flag.DurationVar(&p.killEvery, "kill", 10*time.Second, "how often a replica is killed")
	flag.DurationVar(&p.latency, "latency", 200*time.Millisecond, "how long the provider takes for a token request")
	flag.Float64Var(&p.errors, "errors", 0.05, "share of the token requests that fail")
	flag.IntVar(&p.connections, "connections", 64, "callers at once")
	flag.BoolVar(&p.write, "write", false, "put the result into README.md")
	short := flag.Bool("short", false, "800 sessions and tokens of 30 seconds, for 25 seconds")
	flag.Parse()
	if *short {
		p.sessions, p.duration, p.ttl = 800, 25*time.Second, 30*time.Second
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	violations, err := run(ctx, p)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	if len(violations) > 0 {
		for _, v := range violations {
			fmt.Println("VIOLATED:", v)
		}
		os.Exit(1)
	}
	fmt.Println("ok")
}

func run(ctx context.Context, p plan) (violations []string, err error) {
	told := p.String()
	tool, err := exec.LookPath("wrk")
	if err != nil {
		return nil, fmt.Errorf("the load tool is missing (apt install wrk): %w", err)
	}
	w, err := begin(ctx, p)
	if err != nil {
		return nil, err
	}
	said, err := w.load(ctx, tool)
	if err == nil {
		w.late = w.settle(ctx)
	}
	if err = errors.Join(err, w.end()); err != nil { // then the provider's record is complete
		return nil, err
	}
	violations = w.judge(w.demo.records())
	w.said = told + "\n\n" + said + "\n" + w.said
	fmt.Print(w.said)
	if p.write && len(violations) == 0 {
		err = note(w.said)
	}
	return violations, err
}

// load has wrk send what the machine takes, while replicas are killed.
func (w *world) load(ctx context.Context, tool string) (string, error) {
	killed := make(chan error, 1)
	rage, calm := context.WithCancel(ctx)
	go func() { killed <- w.demo.rage(rage, w.plan) }()
	w.watch.measured.Store(true)
	said, err := wrk(ctx, tool, w)
	w.watch.measured.Store(false)
	calm()
	return said, errors.Join(err, <-killed)
}
