//go:build chaos

package keeper_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// row is a line of the protocol's table: for which providers a scenario must end badly in no history at all. For the
// others the loss is irreducible, and must show: a model in which nothing ever goes wrong would prove nothing.
type row struct {
	scenario
	zero []kind
	most int // refreshers, in every run of the tests; one more with TOKENKEEP_EXHAUSTIVE set
}

var (
	patient = []kind{p0, p1a, p1b, p1c, p1d}     // one lost answer costs nothing
	placid  = []kind{p0, p1a, p1b, p1d}          // two of one generation do not hurt each other
	unvexed = []kind{p0, p1a, p1b, p1c, p1d, p2} // a second use is not punished
)

// The rows named as in the table of the protocol come first. Where a session is ended, "zero" means that none comes
// back; in all rows it also means that a working grant is never declared dead and a new login never overwritten.
var table = []row{
	{scenario{name: "no fault"}, kinds, 3},
	{scenario{name: "pause", faults: budget{pause: 1}}, unvexed, 3},
	{scenario{name: "pause between check and send", faults: budget{gap: 1}}, append(slices.Clone(placid), p2), 3},
	{scenario{name: "one crash", faults: budget{crash: 1}}, patient, 3},
	{scenario{name: "one lost answer", faults: budget{lose: 1}}, patient, 3},
	{scenario{name: "crash and pause", faults: budget{crash: 1, pause: 1}}, placid, 2},
	{scenario{name: "logout race", logout: true}, kinds, 2},

	{scenario{name: "slow request", faults: budget{slow: 1}}, append(slices.Clone(placid), p2), 3},
	{scenario{name: "lost answer and pause", faults: budget{lose: 1, pause: 1}}, []kind{p0, p1d}, 2}, // then the grace may run out unused
	{scenario{name: "lost answer and crash", faults: budget{lose: 1, crash: 1}}, patient, 2},
	{scenario{name: "logout and crash", logout: true, faults: budget{crash: 1}}, kinds, 2},
	{scenario{name: "logout and pause", logout: true, faults: budget{pause: 1}}, kinds, 1},
	{scenario{name: "logout and lost answer", logout: true, faults: budget{lose: 1}}, kinds, 2},
	{scenario{name: "new login", login: true}, kinds, 1},
	{scenario{name: "new login and crash", login: true, faults: budget{crash: 1}}, patient, 1},
	{scenario{name: "new login and pause", login: true, faults: budget{pause: 1}}, kinds, 1},
	{scenario{name: "logout and new login", logout: true, login: true}, kinds, 1},
}

// TestInterleavings runs the real keeper through every order of its store calls, its provider's calls and its faults.
// Covered: two refreshers, or three, each a process of its own, on one expired grant; where the row says so one more
// process that ends the grant, or begins a new one under the same key; at most one fault of each sort that the row
// names, at any point. The order is that of store calls and of arrivals at the provider; steps that only one process
// can see commute, and are taken at once. Processes that do the same start in the order of their names. Time passes
// when nobody can go on; no history waits for longer than it takes but where a fault says so.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	all := &report{cells: map[string]string{}}
	t.Cleanup(func() { t.Log(all) })
	for _, r := range table {
		most := r.most
		if os.Getenv("TOKENKEEP_EXHAUSTIVE") != "" {
			most++
		}
		for n := min(2, r.most); n <= most; n++ {
			for _, k := range kinds {
				sc := r.scenario
				sc.refreshers = n
				t.Run(fmt.Sprintf("%s/%d/%v", sc.name, n, k), func(t *testing.T) {
					t.Parallel()
					sum := explore(t, k, sc)
					all.add(fmt.Sprintf("%s, %d", sc.name, n), k, sum)
					sum.check(t, k, r, sc)
				})
			}
		}
	}
}

func (t *tally) check(tb *testing.T, k kind, r row, sc scenario) {
	tb.Helper()
	wrong := t.count(func(v verdict) bool { return v.resurrected || v.misjudged || v.usurped })
	gone := t.count(func(v verdict) bool { return v.lost || v.killed })
	zero := slices.Contains(r.zero, k)
	if wrong > 0 || zero && gone > 0 {
		tb.Errorf("%d and %d of %d terminal states are bad, want none", wrong, gone, len(t.terminal))
		for bad, path := range t.samples {
			tb.Logf("%s:\n%s", bad, replay(tb, k, sc, path))
		}
	}
	if !zero && gone == 0 {
		tb.Errorf("no history of %d loses the grant: the model is blunt", t.runs)
	}
	if r.faults.crash == 0 && r.faults.lose == 0 && r.faults.gap == 0 && r.faults.slow == 0 {
		if n := t.count(func(v verdict) bool { return v.orphans > 0 }); n > 0 {
			tb.Errorf("%d terminal states leave a refresh token alive that nobody holds", n)
		}
	}
	if r.faults == (budget{}) {
		if n := t.count(func(v verdict) bool { return !r.logout && !r.login && v.calls != 1 }); n > 0 {
			tb.Errorf("%d terminal states took another number of calls than one", n)
		}
	}
	if k.forgiving() && zero && !r.logout && !r.login && (r.faults.lose == 0 || r.faults.pause == 0) {
		if n := t.count(func(v verdict) bool { return v.failures > 0 }); n > 0 {
			tb.Errorf("%d terminal states left somebody without a token:\n%s", n, replay(tb, k, sc, t.samples["unserved"]))
		}
	}
}

// report is the table as measured.
type report struct {
	sync.Mutex
	rows                    []string
	cells                   map[string]string
	runs, states, terminals int
}

func (r *report) add(name string, k kind, t *tally) {
	r.Lock()
	defer r.Unlock()
	if !slices.Contains(r.rows, name) {
		r.rows = append(r.rows, name)
	}
	bad := t.count(func(v verdict) bool { return v.bad() != "" })
	r.cells[name+k.String()] = fmt.Sprintf("%d/%d", bad, len(t.terminal))
	r.runs += t.runs
	r.states += len(t.states)
	r.terminals += len(t.terminal)
}

// String is a Markdown table.
func (r *report) String() string {
	r.Lock()
	defer r.Unlock()
	b := &strings.Builder{}
	fmt.Fprintf(b, "%d histories, %d states, %d terminal\n| scenario, refreshers |", r.runs, r.states, r.terminals)
	for _, k := range kinds {
		fmt.Fprintf(b, " %v |", k)
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", 1+len(kinds)))
	slices.Sort(r.rows)
	for _, name := range r.rows {
		fmt.Fprintf(b, "\n| %s |", name)
		for _, k := range kinds {
			fmt.Fprintf(b, " %s |", r.cells[name+k.String()])
		}
	}
	return b.String()
}
