package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// finished is a chapter with its results, table by table.
type finished struct {
	chapter
	tables [][]*measure.Result
}

// find returns the row of a table whose name begins so; nil if it was not measured.
func find(done []finished, table, name string) *measure.Result {
	for _, f := range done {
		for _, results := range f.tables {
			for _, r := range results {
				if r.Table == table && strings.HasPrefix(r.Name, name) && r.Barred == nil {
					return r
				}
			}
		}
	}
	return nil
}

// cells are a table's header and rows. Timed rows are compared with the first floor and with the first of ours.
func cells(results []*measure.Result) [][]string {
	floor, ours := first(results, measure.Floor), first(results, measure.Ours)
	timed := floor != nil || ours != nil
	head := []string{""}
	if timed {
		head = append(head, "time", "spread", "allocs")
		if floor != nil {
			head = append(head, "× floor")
		}
		if ours != nil {
			head = append(head, "× ours")
		}
	}
	var names []string
	for _, r := range results {
		for _, f := range r.Figures {
			if !contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	out := [][]string{append(head, names...)}
	for _, r := range results {
		line := []string{r.Name}
		if r.Barred != nil {
			line[0] += " (" + why(r.Barred) + ")"
		}
		if timed {
			line = append(line, measuredCells(r, floor, ours)...)
		}
		for _, name := range names {
			v, ok := r.Figures.Get(name)
			line = append(line, map[bool]string{true: number(v), false: ""}[ok])
		}
		out = append(out, line)
	}
	return out
}

func measuredCells(r, floor, ours *measure.Result) []string {
	line := []string{"", "", ""}
	if r.NS > 0 {
		line = []string{duration(r.NS), fmt.Sprintf("%.0f %%", r.Spread*100), fmt.Sprintf("%.0f", r.Allocs)}
	}
	for _, base := range []*measure.Result{floor, ours} {
		switch {
		case base == nil:
		case r.NS > 0:
			line = append(line, ratio(r.NS/base.NS))
		default:
			line = append(line, "")
		}
	}
	return line
}

func why(err error) string {
	var lie measure.Dishonest
	switch {
	case errors.Is(err, measure.ErrAbsent):
		return err.Error()
	case errors.As(err, &lie):
		return "not timed: " + err.Error()
	default:
		return "failed: " + err.Error()
	}
}

func first(results []*measure.Result, role measure.Role) *measure.Result {
	for _, r := range results {
		if r.Role == role && r.NS > 0 {
			return r
		}
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// duration has three digits that say something.
func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e4:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	case ns < 1e6:
		return fmt.Sprintf("%.0f µs", ns/1e3)
	default:
		return fmt.Sprintf("%.1f ms", ns/1e6)
	}
}

func ratio(x float64) string {
	switch {
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	default:
		return fmt.Sprintf("%.0f", x)
	}
}

func number(x float64) string {
	switch {
	case x == math.Trunc(x) || x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	default:
		return fmt.Sprintf("%.1f", x)
	}
}

// text is a table for a terminal.
func text(results []*measure.Result) string {
	rows := cells(results)
	width := make([]int, len(rows[0]))
	for _, line := range rows {
		for i, c := range line {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", results[0].Table)
	for _, line := range rows {
		for i, c := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == 0 {
				b.WriteString("  " + c + pad)
			} else {
				b.WriteString("  " + pad + c)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// markdown is the same for the README.
func markdown(results []*measure.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n**%s**\n\n", results[0].Table)
	for i, line := range cells(results) {
		if i > 0 && results[i-1].Role == measure.Ours {
			for j, c := range line {
				if c != "" {
					line[j] = "**" + c + "**"
				}
			}
		}
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---|" + strings.Repeat("--:|", len(line)-1) + "\n")
		}
	}
	return b.String()
}
