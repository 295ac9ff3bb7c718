package measure_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

var short = measure.Options{Rounds: 2, Passes: 2, Slice: 100 * time.Microsecond}

// A row that accepts something it must not is named with the reason, and its operation never runs.
func TestDishonestRowsAreNeverTimed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		honest func() error
		timed  bool
	}{
		{"honest", func() error { return nil }, true},
		{"liar", func() error { return errors.New("accepts a bad signature") }, false},
		{"no check at all", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ran := 0
			rows := []measure.Row{{Table: "t", Name: tt.name, Role: measure.Peer, Setup: func(*measure.Scene) (*measure.Trial, error) {
				return &measure.Trial{Honest: tt.honest, Run: func(int) error { ran++; return nil }}, nil
			}}}
			results, err := measure.Run(t.Context(), rows, short)
			if err != nil {
				t.Fatal(err)
			}
			r := results[0]
			var lie measure.Dishonest
			if tt.timed != (ran > 0) || tt.timed != (r.NS > 0) || tt.timed == errors.As(r.Barred, &lie) {
				t.Errorf("ran %d times, %v ns, barred: %v", ran, r.NS, r.Barred)
			}
		})
	}
}

func TestMedianAndSpread(t *testing.T) {
	t.Parallel()
	n := 0.0
	rows := []measure.Row{{Table: "t", Name: "r", Role: measure.Ours, Setup: func(*measure.Scene) (*measure.Trial, error) {
		return &measure.Trial{Honest: func() error { return nil }, Once: func(context.Context) (measure.Figures, error) {
			n++
			return measure.Figures{{Name: "n", Value: n * n}}, nil
		}}, nil
	}}}
	o := short
	o.Rounds = 3
	results, err := measure.Run(t.Context(), rows, o)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := results[0].Figures.Get("n"); !ok || v != 4 { // of 1, 4, 9
		t.Errorf("%v, %v", v, ok)
	}
}

// A row that fails while it is timed is named, and the others go on.
func TestFailingRow(t *testing.T) {
	t.Parallel()
	row := func(name string, run func(int) error) measure.Row {
		return measure.Row{Table: "t", Name: name, Role: measure.Peer, Setup: func(*measure.Scene) (*measure.Trial, error) {
			return &measure.Trial{Honest: func() error { return nil }, Run: run}, nil
		}}
	}
	results, err := measure.Run(t.Context(), []measure.Row{
		row("fails", func(int) error { return errors.New("boom") }), row("works", func(int) error { return nil }),
	}, short)
	if err != nil || results[0].Barred == nil || !strings.Contains(results[0].Barred.Error(), "boom") || results[1].NS == 0 {
		t.Error(results[0].Barred, results[1], err)
	}
}
