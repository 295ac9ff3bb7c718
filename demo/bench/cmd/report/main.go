// Command report measures everything in one run, prints tables with ratios, and writes them and a plot into the folder it
// is run in:
//
//	go -C demo/bench run ./cmd/report            all of it, within ten minutes
//	go -C demo/bench run ./cmd/report -quick     a look, within 90 seconds; writes nothing
//	go -C demo/bench run ./cmd/report -full      up to a million records and a thousand callers
//	go -C demo/bench run ./cmd/report -run '^session/1000$'
//
// TOKENKEEP_POSTGRES and TOKENKEEP_REDIS (host:port) add the tables of these servers. The exit code is 1 if a row turned
// out dishonest or failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/demo/bench/calling"
	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/proc"
	"github.com/tokenkeep/tokenkeep/demo/bench/records"
)

func main() {
	proc.Main(map[string]proc.Part{"storm": calling.Child, "heap": records.HeapChild})
	gin.SetMode(gin.ReleaseMode)
	debug.SetGCPercent(400)                        // as in a service whose heap is not a few megabytes
	slog.SetDefault(slog.New(slog.DiscardHandler)) // some peers log each refusal
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	quick := flag.Bool("quick", false, "fewer rounds, smaller sizes, nothing written")
	full := flag.Bool("full", false, "the largest sizes; takes long")
	rounds := flag.Int("rounds", 6, "rounds; each row's figure is their median")
	only := flag.String("run", "", "only tables whose name matches this expression; nothing is written")
	row := flag.String("row", "", "only rows whose name matches, with -run")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the run to this file")
	flag.Parse()
	o := measure.Options{Rounds: *rounds, Passes: 6, Slice: 8 * time.Millisecond, Full: *full, Quick: *quick}
	if *quick {
		o.Rounds, o.Passes, o.Slice = min(*rounds, 2), 6, 2*time.Millisecond
	}
	tableMatch, err1 := regexp.Compile(*only)
	rowMatch, err2 := regexp.Compile(*row)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	began := time.Now()
	done, err := measured(ctx, book(*full, *quick), o, tableMatch, rowMatch)
	if err != nil {
		return err
	}
	if *only == "" {
		os.Stdout.WriteString(goalsTable(done, nil))
	}
	fmt.Printf("\n%s\n", conditions(o, time.Since(began)))
	if *only == "" && !*quick {
		if err := write(done, o, time.Since(began)); err != nil {
			return err
		}
	}
	return faults(done)
}

// measured runs every table and prints it as soon as it is there.
func measured(ctx context.Context, chapters []chapter, o measure.Options, tableMatch, rowMatch *regexp.Regexp) ([]finished, error) {
	var done []finished
	for _, c := range chapters {
		f := finished{chapter: c}
		for _, rows := range tables(c.rows) {
			var chosen []measure.Row
			for _, r := range rows {
				if tableMatch.MatchString(r.Table) && rowMatch.MatchString(r.Name) {
					chosen = append(chosen, r)
				}
			}
			if len(chosen) == 0 {
				continue
			}
			results, err := measure.Run(ctx, chosen, o)
			if err != nil {
				return nil, err
			}
			fmt.Println(text(results))
			f.tables = append(f.tables, results)
		}
		done = append(done, f)
	}
	return done, nil
}

// faults are rows that were left out for any reason but an absent server.
func faults(done []finished) error {
	var errs []error
	for _, f := range done {
		for _, results := range f.tables {
			for _, r := range results {
				if r.Barred != nil && !errors.Is(r.Barred, measure.ErrAbsent) {
					errs = append(errs, fmt.Errorf("%s: %s: %w", r.Table, r.Name, r.Barred))
				}
			}
		}
	}
	return errors.Join(errs...)
}
