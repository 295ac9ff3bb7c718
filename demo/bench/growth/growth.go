// Package growth says what becomes of the figures when there is more of everything: records, callers, processes.
package growth

import (
	"strconv"

	"github.com/tokenkeep/tokenkeep/demo/bench/calling"
	"github.com/tokenkeep/tokenkeep/demo/bench/live"
	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/records"
)

// Engines are those whose loads and replacements are measured at growing numbers of records.
var Engines = []string{"memstore", "sqlitestore", "PostgreSQL", "MariaDB", "Redis"}

// Sizes of each engine, by how much time there is: a database server takes minutes to fill.
func Sizes(engine string, full, quick bool) []int {
	all := []int{1_000, 10_000, 100_000, 1_000_000}
	server := engine == "PostgreSQL" || engine == "MariaDB" || engine == "Redis"
	switch {
	case full && engine == "MariaDB":
		return all[:3] // filling a million takes it ten minutes
	case full:
		return all
	case quick && server:
		return all[:1]
	case quick, server:
		return all[:2]
	default:
		return all[:3]
	}
}

// Records are the rows of one engine's tables; a row's name is its number of records.
func Records(engine string, full, quick bool) []measure.Row {
	var rows []measure.Row
	for _, job := range []string{"load", "replace"} {
		for _, n := range Sizes(engine, full, quick) {
			rows = append(rows, records.Grown("growth/"+engine+", "+job, strconv.Itoa(n), engine, job, n))
		}
	}
	return rows
}

// Callers at once, of a guarded request.
var Callers = []int{1, 10, 100, 1000}

// Requests are guarded requests by so many callers at once.
func Requests() []measure.Row {
	var rows []measure.Row
	for _, n := range Callers {
		for _, r := range live.Rows("growth/guarded request", 1000, n) {
			if r.Role == measure.Ours && r.Name == live.Main {
				r.Name = strconv.Itoa(n)
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// Storms are refreshes that more and more callers, and processes, want at once. A row's name is "who, how many".
func Storms(quick bool) []measure.Row {
	var rows []measure.Row
	for _, n := range Callers {
		if quick && n == 10 {
			continue
		}
		rows = append(rows, calling.Grown("growth/storm, callers", n, 1, n)...)
	}
	for _, n := range []int{1, 2, 4, 8} {
		if quick && n > 1 { // a peer spends eight seconds there
			continue
		}
		rows = append(rows, calling.Grown("growth/storm, processes", 800, n, n)...)
	}
	return rows
}
