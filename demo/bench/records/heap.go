package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/proc"
)

// Heap is what a record takes in memory, each contestant in a process of its own.
func Heap(n int) []measure.Row {
	var out []measure.Row
	for _, o := range inMemory {
		out = append(out, measure.Row{
			Table: "memory/heap", Name: o.name, Role: o.role,
			Setup: func(*measure.Scene) (*measure.Trial, error) {
				return &measure.Trial{Most: 1, Honest: func() error {
					e, err := o.open("")
					if err != nil {
						return err
					}
					return honest(e)
				}, Once: func(ctx context.Context) (measure.Figures, error) {
					cmd, err := proc.Command(ctx, "heap", o.name, strconv.Itoa(n))
					if err != nil {
						return nil, err
					}
					said, err := cmd.Output()
					if err != nil {
						return nil, err
					}
					var f measure.Figures
					return f, json.Unmarshal(said, &f)
				}}, nil
			},
		})
	}
	return out
}

// textBytes are those of a record's own texts, which nobody can do without.
const textBytes = 600 + 200

// HeapChild fills one contestant and prints the figures.
func HeapChild(args []string) error {
	if len(args) != 2 {
		return errors.New("want a contestant and a number of records")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for _, o := range inMemory {
		if o.name == args[0] {
			return fillAndTell(o, n)
		}
	}
	return fmt.Errorf("no contestant %q", args[0])
}

func fillAndTell(o opener, n int) error {
	e, err := o.open("")
	if err != nil {
		return err
	}
	known() // the ids of all contestants
	before := heap()
	if err := fill(e, n); err != nil {
		return err
	}
	after := heap()
	began := time.Now()
	runtime.GC()
	collection := time.Since(began)
	said, err := json.Marshal(measure.Figures{
		{Name: "records", Value: float64(n)},
		{Name: "B a record", Value: float64(after.HeapAlloc-before.HeapAlloc) / float64(n)},
		{Name: "B beside its texts", Value: float64(after.HeapAlloc-before.HeapAlloc)/float64(n) - textBytes},
		{Name: "objects a record", Value: float64(after.HeapObjects-before.HeapObjects) / float64(n)},
		{Name: "collection ms", Value: float64(collection) / 1e6},
	})
	fmt.Println(string(said))
	runtime.KeepAlive(e)
	return err
}

func heap() runtime.MemStats {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
