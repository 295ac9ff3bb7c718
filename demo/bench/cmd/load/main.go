// Command load runs the whole thing under load and judges what happened: four replicas behind one front share PostgreSQL,
// every session's token expires within the run, the provider takes 200 ms and fails one call in twenty, and every ten
// seconds a replica is killed. wrk (Debian: apt install wrk) is the load.
//
//	TOKENKEEP_POSTGRES=127.0.0.1:5432 go -C demo/bench run ./cmd/load
//	TOKENKEEP_POSTGRES=127.0.0.1:5432 go -C demo/bench run ./cmd/load -short    for CI, within a minute
//
// The exit code is 1 if a user had to log in again, a refresh was sent twice without a reason, or somebody saw another
// user's session.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/proc"
)

// plan is one run's settings.
type plan struct {
	sessions    int
	replicas    int
	duration    time.Duration
	killEvery   time.Duration
	latency     time.Duration // the provider's
	errors      float64       // share of the provider's calls that fail
	connections int
	seed        uint64
	write       bool
}

// String is what a reader has to know about a run.
func (p plan) String() string {
	return fmt.Sprintf("%s, %s, %d cores: %d sessions, %d replicas, %v; a replica killed every %v; the provider takes %v and fails %.0f %%",
		time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.Version(), runtime.NumCPU(), p.sessions, p.replicas, p.duration, p.killEvery, p.latency, p.errors*100)
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
	proc.Main(map[string]proc.Part{"replica": replica})
	p := plan{}
	flag.IntVar(&p.sessions, "sessions", 10_000, "sessions, each of which expires once")
	flag.IntVar(&p.replicas, "replicas", 4, "processes behind the front")
	flag.DurationVar(&p.duration, "duration", time.Minute, "how long the load lasts")
	flag.DurationVar(&p.killEvery, "kill", 10*time.Second, "how often a replica is killed")
	flag.DurationVar(&p.latency, "latency", 200*time.Millisecond, "how long the provider takes")
	flag.Float64Var(&p.errors, "errors", 0.05, "share of the provider's calls that fail")
	flag.IntVar(&p.connections, "connections", 64, "callers at once")
	flag.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "of the provider's failures")
	flag.BoolVar(&p.write, "write", false, "put the result into README.md")
	short := flag.Bool("short", false, "1,000 sessions in 20 seconds, a replica killed every 5")
	flag.Parse()
	if *short {
		p.sessions, p.duration, p.killEvery = 1000, 20*time.Second, 5*time.Second
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

func run(ctx context.Context, p plan) ([]string, error) {
	world, err := begin(ctx, p)
	if err != nil {
		return nil, err
	}
	defer world.end()
	killed := make(chan error, 1)
	rage, calm := context.WithCancel(ctx)
	go func() { killed <- world.fleet.rage(rage, p.killEvery) }()
	said, err := wrk(ctx, p, world)
	calm()
	if kerr := <-killed; err == nil {
		err = kerr
	}
	if err != nil {
		return nil, err
	}
	world.late = world.visitAll(ctx)
	violations := world.judge()
	world.said = p.String() + "\n\n" + said + "\n" + world.said
	fmt.Print(world.said)
	if p.write && len(violations) == 0 {
		err = note(world.said)
	}
	return violations, err
}
