package keeper_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSimulation lets four processes live through histories that the seed chooses: who calls what and when, how long
// everything takes, who crashes, stops, loses answers, meets errors of the store before or after the effect, signs out
// or in again, and how wrong their clocks are; and in which arrangement (variant). TOKENKEEP_SEEDS is the number of seeds for each kind of provider;
// TOKENKEEP_SEED runs one and prints its history.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds := 100
	if n, err := strconv.Atoi(os.Getenv("TOKENKEEP_SEEDS")); err == nil {
		seeds = n
	}
	for _, k := range kinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			if one, err := strconv.ParseUint(os.Getenv("TOKENKEEP_SEED"), 10, 64); err == nil {
				faults, trace := simulate(t, k, variantOf(one), one, true)
				t.Logf("%s\n%s", trace, strings.Join(faults, "\n"))
				if len(faults) > 0 {
					t.Fail()
				}
				return
			}
			simulateMany(t, k, uint64(seeds))
		})
	}
}

func simulateMany(t *testing.T, k kind, seeds uint64) {
	began := time.Now()
	var next, failed atomic.Uint64
	done := make(chan struct{})
	workers := runtime.GOMAXPROCS(0)
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for failed.Load() < 3 {
				seed := next.Add(1)
				if seed > seeds {
					return
				}
				if faults, _ := simulate(t, k, variantOf(seed), seed, false); len(faults) > 0 {
					failed.Add(1)
					again, trace := simulate(t, k, variantOf(seed), seed, true)
					t.Errorf("TOKENKEEP_SEED=%d, %v, %v:\n%s\n%s\nagain: %d", seed, k, variantOf(seed), trace, strings.Join(faults, "\n"), len(again))
				}
			}
		}()
	}
	for range workers {
		<-done
	}
	if s := time.Since(began).Seconds(); s > 0 {
		t.Logf("%d histories, %.0f a second", seeds, float64(seeds)/s)
	}
}

// simulate runs one history and returns what went wrong.
func simulate(t *testing.T, k kind, v variant, seed uint64, loud bool) (faults []string, trace string) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(k, v, seed, loud)
		s.live()
		if s.used().crash > 0 {
			time.Sleep(time.Hour) // what a crash leaves of its timers
		}
		s.check()
		faults, trace = s.faults, strings.Join(s.trace, "\n")
	})
	return faults, trace
}

// TestSimulationRepeats: a seed is worth something only if it tells the same story again. On a busy machine two processes
// that wake at one instant may go on in either order, so a few seeds may differ; without a source of chance of its own
// nearly all would.
func TestSimulationRepeats(t *testing.T) {
	t.Parallel()
	differ := 0
	for seed := range uint64(50) {
		var stories [2]string
		for run := range stories {
			_, trace := simulate(t, p1b, variantOf(seed), seed, true)
			lines := strings.Split(anonymous(trace), "\n")
			slices.Sort(lines) // two that wait for one refresh hear of it at the same instant
			stories[run] = strings.Join(lines, "\n")
		}
		if stories[0] != stories[1] {
			differ++
		}
	}
	if differ > 15 {
		t.Errorf("%d of 50 seeds told two stories", differ)
	}
}

// anonymous replaces record IDs, which are random.
func anonymous(trace string) string {
	names := map[string]string{}
	lines := strings.Split(trace, "record(")
	for i := range lines[1:] {
		id, rest, _ := strings.Cut(lines[i+1], ",")
		if names[id] == "" {
			names[id] = fmt.Sprint("id", len(names))
		}
		lines[i+1] = names[id] + "," + rest
	}
	return strings.Join(lines, "record(")
}
