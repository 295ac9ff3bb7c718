package main

import (
	"cmp"
	"errors"
	"log/slog"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/demo/bench/calling"
	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/proc"
	"github.com/tokenkeep/tokenkeep/demo/bench/records"
)

func TestMain(m *testing.M) {
	proc.Main(map[string]proc.Part{"storm": calling.Child, "heap": records.HeapChild})
	gin.SetMode(gin.ReleaseMode)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	m.Run()
}

// TestEveryRowIsHonest sets every row up that the report would time, and has it prove its honesty.
func TestEveryRowIsHonest(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range book(false, true) {
		for _, row := range c.rows {
			name := row.Table + "/" + row.Name
			if seen[name] {
				t.Errorf("%s: twice", name)
			}
			seen[name] = true
			trial, err := row.Setup(&measure.Scene{Dir: t.TempDir(), Small: true})
			if errors.Is(err, measure.ErrAbsent) {
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if err := measure.CheckHonesty(trial); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if trial.Close != nil {
				if err := trial.Close(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// Every goal names rows that exist, in the largest run.
func TestGoalsNameRows(t *testing.T) {
	t.Parallel()
	var done []finished
	for _, c := range book(true, false) {
		f := finished{chapter: c}
		for _, rows := range tables(c.rows) {
			var results []*measure.Result
			for _, r := range rows {
				results = append(results, &measure.Result{Row: r, NS: 1})
			}
			f.tables = append(f.tables, results)
		}
		done = append(done, f)
	}
	for _, g := range goals {
		if find(done, g.table, g.over) == nil || g.under != "" && find(done, cmp.Or(g.beside, g.table), g.under) == nil {
			t.Errorf("%s: no row %q or %q in %q", g.what, g.over, g.under, g.table)
		}
		if g.most == 0 && g.least == 0 && g.figure == "" {
			t.Errorf("%s: no limit", g.what)
		}
	}
}
