// Command chaos proves the keeper with real processes: workers refresh grants over a real store against a provider on
// loopback, and are killed with SIGKILL, or stopped past their lease, at named points of the protocol and at random. In
// the end the provider's log and the store are compared, and every lost grant needs a cause.
//
//	go -C demo/chaos run -tags chaos . -engine sqlite -kills 300
//	go -C demo/chaos run -tags chaos . -engine postgres -kills 200 -provider P3
//	go -C demo/chaos run . -engine redis -storm
//	go -C demo/chaos run . -failover
//
// With -failover it starts two redis-server processes of its own on loopback, promotes the replica while the primary
// still serves, and kills the primary: only a refresh that was acknowledged in between may be lost, and only where the
// provider does not forgive.
//
// The times of the protocol are scaled by 1/20.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// The protocol's times, scaled by 1/20.
const (
	sendBudget   = 400 * time.Millisecond
	commitBudget = 250 * time.Millisecond
	clockMargin  = 100 * time.Millisecond
	lease        = 750 * time.Millisecond
	grace        = 1500 * time.Millisecond // stands for 30 s
	accessLife   = time.Second
)

// config travels to the workers as flags.
type config struct {
	engine, dsn, table string
	provider           string // the provider's kind
	kills, workers     int
	grants             int
	seed               uint64
	worker             string // the provider's address: this process is a worker
	name               string // the worker's incarnation
}

func main() {
	var c config
	flag.StringVar(&c.engine, "engine", "sqlite", "sqlite, postgres, mysql or redis; the servers' addresses come from TOKENKEEP_POSTGRES, TOKENKEEP_MYSQL, TOKENKEEP_REDIS")
	flag.StringVar(&c.provider, "provider", "", "the provider's kind: P0, P1a, P2 or P3; empty: one after the other")
	flag.IntVar(&c.kills, "kills", 100, "workers to kill or stop, in all")
	flag.IntVar(&c.workers, "workers", 4, "workers at a time")
	flag.IntVar(&c.grants, "grants", 150, "grants they share")
	flag.Uint64Var(&c.seed, "seed", 1, "seed of the choices made here; processes race all the same")
	storm := flag.Bool("storm", false, "no faults: eight processes ask a thousand times each, at once, for one expired grant")
	failing := flag.Bool("failover", false, "two Redis servers of its own, of which the primary is lost")
	flag.StringVar(&c.worker, "worker", "", "internal")
	flag.StringVar(&c.name, "name", "", "internal")
	flag.StringVar(&c.dsn, "dsn", "", "internal")
	flag.StringVar(&c.table, "table", "", "internal")
	flag.Parse()
	if c.worker != "" {
		if err := work(c); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		return
	}
	if *storm {
		if err := runStorm(c); err != nil {
			fmt.Fprintln(os.Stderr, "chaos:", err)
			os.Exit(1)
		}
		return
	}
	kinds := []string{c.provider}
	if c.provider == "" {
		kinds = []string{"P0", "P1a", "P2", "P3"}
		c.kills = (c.kills + 3) / 4
	}
	failed := false
	for _, kind := range kinds {
		c.provider = kind
		if *failing {
			if err := runFailover(c); err != nil {
				fmt.Fprintln(os.Stderr, "chaos:", err)
				failed = true
			}
			continue
		}
		report, err := run(c)
		if err != nil {
			fmt.Fprintln(os.Stderr, "chaos:", err)
			os.Exit(1)
		}
		fmt.Println(report)
		failed = failed || !report.ok()
	}
	if failed {
		os.Exit(1)
	}
}
