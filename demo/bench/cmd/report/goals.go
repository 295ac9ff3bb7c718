package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// goal is one condition on this run's figures: over / under, a figure, or an allocation count, held against a limit.
type goal struct {
	what   string
	table  string
	over   string // row
	under  string // row it is divided by; "": the figure stands alone
	beside string // the table of under, if it is another one
	figure string // "": time; "allocs"; or a figure's name
	most   float64
	least  float64
}

const (
	floorSession = "floor: SHA-256, sharded map, context"
	oursSession  = "tokenkeep: guard"
	argument     = "the same, user as an argument"
)

// goals are what a first release must reach, in this run.
var goals = append(bearerGoals(), []goal{
	{what: "guarded session ≤ 1.5 × floor", table: "session/1000", over: oursSession, under: floorSession, most: 1.5},
	{what: "… ≤ 3 allocations", table: "session/1000", over: oursSession, figure: "allocs", most: 3},
	{what: "… of 100,000 ≤ 1.6 × floor", table: "session/100000", over: oursSession, under: floorSession, most: 1.6},
	{what: "… 8 at once ≤ 1.6 × floor", table: "session/1000, 8 at once", over: oursSession, under: floorSession, most: 1.6},
	{what: "… fosite ≥ 5 ×", table: "session/1000", over: "fosite", under: oursSession, least: 5},
	{what: "… go-oauth2 ≥ 10 ×", table: "session/1000", over: "go-oauth2", under: oursSession, least: 10},
	{what: "… scs ≥ 25 ×", table: "session/1000", over: "scs", under: oursSession, least: 25},
	{what: "… gorilla ≥ 25 ×", table: "session/1000", over: "gorilla", under: oursSession, least: 25},
	{what: "… gin-contrib ≥ 25 ×", table: "session/1000", over: "gin-contrib", under: oursSession, least: 25},
	{what: "guarded session on SQLite ≤ 1.3 × floor", table: "session on SQLite", over: "tokenkeep", under: "floor", most: 1.3},
	{what: "… GORM as documented ≥ 2.5 ×", table: "session on SQLite", over: "GORM", under: "tokenkeep", least: 2.5},
	{what: "… scs ≥ 3 ×", table: "session on SQLite", over: "scs", under: "tokenkeep", least: 3},
	{what: "… gin-contrib ≥ 4 ×", table: "session on SQLite", over: "gin-contrib", under: "tokenkeep", least: 4},
	{what: "SQLite load ≤ 1.25 × floor", table: "sqlite/load", over: "tokenkeep: sqlitestore", under: "floor: database/sql", most: 1.25},
	{what: "durable save ≤ 1.3 × floor", table: "sqlite/save, durable", over: "tokenkeep: sqlitestore", under: "floor: database/sql", most: 1.3},
	{what: "… GORM defaults ≥ 2.5 ×", table: "sqlite/save, durable", over: "GORM defaults", under: "tokenkeep: sqlitestore", least: 2.5},
	{what: "durable save, 32 callers ≤ 0.6 × floor", table: "sqlite/save, durable, 32 callers", over: "tokenkeep: sqlitestore", under: "floor: database/sql", most: 0.6},
	{what: "… GORM defaults ≥ 20 ×", table: "sqlite/save, durable, 32 callers", over: "GORM defaults", under: "tokenkeep: sqlitestore", least: 20},
	{what: "durable replace ≤ 1.1 × floor", table: "sqlite/replace, durable", over: "tokenkeep: sqlitestore", under: "floor: database/sql", most: 1.1},
	{what: "… GORM defaults ≥ 3 ×", table: "sqlite/replace, durable", over: "GORM defaults", under: "tokenkeep: sqlitestore", least: 3},
	{what: "mixed: loads ≤ 1.2 × our own, alone", table: "sqlite/mixed", over: "tokenkeep: sqlitestore", figure: "beside ÷ alone", most: 1.2},
	{what: "mixed: writes kept, of 1,000/s", table: "sqlite/mixed", over: "tokenkeep: sqlitestore", figure: "writes/s", least: 990},
	{what: "memory load ≤ 1.3 × floor", table: "memory/load", over: "tokenkeep", under: "floor", most: 1.3},
	{what: "heap: ≤ 430 B a record beside its texts", table: "memory/heap", over: "tokenkeep", figure: "B beside its texts", most: 430},
	{what: "… ≤ 2.1 objects", table: "memory/heap", over: "tokenkeep", figure: "objects a record", most: 2.1},
	{what: "SQLite load, 1,000,000 records ≤ 2 × 1,000", table: "growth/sqlitestore, load", over: "1000000", under: "1000", most: 2},
	{what: "PostgreSQL load ≤ 1.2 × driver", table: "postgres/load", over: "tokenkeep", under: "floor", most: 1.2},
	{what: "PostgreSQL replace ≤ 1.2 × driver", table: "postgres/replace", over: "tokenkeep", under: "floor", most: 1.2},
	{what: "Redis load ≤ 1.2 × driver", table: "redis/load", over: "tokenkeep", under: "floor", most: 1.2},
	{what: "Redis replace ≤ 1.2 × driver", table: "redis/replace", over: "tokenkeep", under: "floor", most: 1.2},
	{what: "cookie seal, 200 B ≤ 1.4 × XAES floor", table: "cookie/seal 200 B", over: "tokenkeep: ring", under: "floor: XAES", most: 1.4},
	{what: "cookie open, 200 B ≤ 1.4 × XAES floor", table: "cookie/open 200 B", over: "tokenkeep: ring", under: "floor: XAES", most: 1.4},
	{what: "cookie seal, 2 KiB ≤ 1.4 × XAES floor", table: "cookie/seal 2048 B", over: "tokenkeep: ring", under: "floor: XAES", most: 1.4},
	{what: "cookie open, 2 KiB ≤ 1.4 × XAES floor", table: "cookie/open 2048 B", over: "tokenkeep: ring", under: "floor: XAES", most: 1.4},
	{what: "… securecookie with gob ≥ 2.5 × (a whole record)", table: "cookie/seal 200 B", over: "securecookie: AES, gob", under: "tokenkeep: cookiestore", least: 2.5},
	{what: "… wire ≤ 0.76 × securecookie", table: "cookie/seal 200 B", over: "tokenkeep: ring", under: "securecookie: AES, gob", figure: "wire B", most: 0.76},
	{what: "request with a valid token ≤ 1.4 × floor", table: "calling/request", over: "tokenkeep: keeper, memstore", under: "floor", most: 1.4},
	{what: "… x/oauth2 ≥ 1.6 ×", table: "calling/request", over: "x/oauth2: shared", under: "tokenkeep: keeper, memstore", least: 1.6},
	{what: "a valid token alone ≤ 1.4 × floor", table: "calling/token", over: "tokenkeep: keeper, memstore", under: "floor", most: 1.4},
	{what: "… x/oauth2 ≥ 1.6 ×", table: "calling/token", over: "x/oauth2: shared", under: "tokenkeep: keeper, memstore", least: 1.6},
	{what: "storm: token requests", table: "calling/storm, one process", over: "tokenkeep: keeper, memstore", figure: "token requests", least: 1, most: 1},
	{what: "… failed callers", table: "calling/storm, one process", over: "tokenkeep: keeper, memstore", figure: "failed callers", most: 0},
	{what: "… wall ≤ 1.3 × bare single flight", table: "calling/storm, one process", over: "tokenkeep: keeper, memstore", under: "floor", figure: "wall ms", most: 1.3},
	{what: "4 processes: token requests", table: "calling/storm, 4 processes", over: "tokenkeep", figure: "token requests", least: 1, most: 1},
	{what: "… failed callers", table: "calling/storm, 4 processes", over: "tokenkeep", figure: "failed callers", most: 0},
	{what: "… reuse alarms", table: "calling/storm, 4 processes", over: "tokenkeep", figure: "reuse alarms", most: 0},
	{what: "provider down: token requests", table: "calling/provider down", over: "tokenkeep: keeper, memstore", figure: "token requests", least: 1, most: 1},
	{what: "… wall ≤ 2 round trips + 5 ms", table: "calling/provider down", over: "tokenkeep: keeper, memstore", figure: "wall ms", most: 10},
	{what: "a 20 ms deadline is held to within 5 ms", table: "calling/deadline", over: "tokenkeep: keeper, memstore", figure: "held ms", most: 25},
	{what: "exchange ≤ 0.7 × x/oauth2", table: "exchange/code", over: "tokenkeep", under: "x/oauth2", most: 0.7},
	{what: "… ≤ 45 allocations", table: "exchange/code", over: "tokenkeep", figure: "allocs", most: 45},
	{what: "issue by password: go-oauth2 ≥ 3 ×", table: "issue/password, memory", over: "go-oauth2", under: "tokenkeep", least: 3},
	{what: "… fosite ≥ 2 ×", table: "issue/password, memory", over: "fosite", under: "tokenkeep", least: 2},
	{what: "refresh with rotation: go-oauth2 ≥ 3 ×", table: "issue/refresh, memory", over: "go-oauth2", under: "tokenkeep", least: 3},
	{what: "… fosite ≥ 2 ×", table: "issue/refresh, memory", over: "fosite", under: "tokenkeep", least: 2},
	{what: "introspect: go-oauth2 ≥ 3 ×", table: "issue/introspect, memory", over: "go-oauth2", under: "tokenkeep", least: 3},
	{what: "… fosite ≥ 2 ×", table: "issue/introspect, memory", over: "fosite", under: "tokenkeep", least: 2},
}...)

func bearerGoals() []goal {
	const ours, cache, byHand = "tokenkeep: guard, jwtauth", "floor: cache", "floor: verify"
	var out []goal
	for _, a := range []struct {
		alg               string
		faster, firstMost float64
	}{{"HS256", 9, 1.6}, {"RS256", 35, 1.1}, {"ES256", 80, 1.1}, {"EdDSA", 60, 1.1}} {
		seen, first := "bearer/"+a.alg+", seen before", "bearer/"+a.alg+", first sight"
		out = append(out,
			goal{what: a.alg + " seen before ≤ 1.5 × cache floor", table: seen, over: ours, under: cache, most: 1.5},
			goal{what: fmt.Sprintf("… golang-jwt by hand ≥ %.0f ×", a.faster), table: seen, over: "golang-jwt", under: ours, least: a.faster},
			goal{what: "… ≤ 2 allocations", table: seen, over: ours, figure: "allocs", most: 2},
			goal{what: "… in Gin ≤ 1.25 × net/http", table: seen, over: "tokenkeep: the same in Gin", under: ours, most: 1.25},
			goal{what: "… as an argument ≤ 1.5 × cache floor", table: seen, over: "tokenkeep: " + argument, under: "floor: " + argument, most: 1.5},
			goal{what: "… as an argument: no allocations", table: seen, over: "tokenkeep: " + argument, figure: "allocs", most: 0},
			goal{what: fmt.Sprintf("%s first sight ≤ %.2g × floor", a.alg, a.firstMost), table: first, over: "tokenkeep: cache off", under: byHand, most: a.firstMost},
			goal{what: "… not slower than golang-jwt by hand", table: first, over: "tokenkeep: cache off", under: "golang-jwt", most: 1.05})
		if a.alg == "HS256" { // the only one where the signature does not hide the rest
			out = append(out, goal{what: "… golang-jwt by hand ≥ 2.5 ×", table: first, over: "golang-jwt", under: "tokenkeep: cache off", least: 2.5})
		}
	}
	const refused = "bearer/RS256, refused: "
	for _, what := range []string{"no token", "8 kB of rubbish", "8 kB of dots"} {
		out = append(out, goal{what: "refused, " + what + " ≤ 2 × an accepted one's cache floor", table: refused + what, over: ours, under: cache, beside: "bearer/RS256, seen before", most: 2})
	}
	for _, what := range []string{"an expired token", "a bad signature"} {
		out = append(out, goal{what: "refused, " + what + " ≤ 1.1 × a signature check", table: refused + what, over: ours, under: byHand, beside: "bearer/RS256, first sight", most: 1.1})
	}
	return out
}

// value is what this run says; false if a row of it is missing.
func (g goal) value(done []finished) (float64, bool) {
	of := func(table, row string) (float64, bool) {
		r := find(done, table, row)
		switch {
		case r == nil:
			return 0, false
		case g.figure == "allocs":
			return math.Round(r.Allocs), true
		case g.figure != "":
			return r.Figures.Get(g.figure)
		default:
			return r.NS, r.NS > 0
		}
	}
	v, ok := of(g.table, g.over)
	if !ok || g.under == "" {
		return v, ok
	}
	if g.beside == "" {
		g.beside = g.table
	}
	base, ok := of(g.beside, g.under)
	return v / base, ok && base > 0
}

func (g goal) met(v float64) bool {
	const rounding = 0.005 // as printed
	return v >= g.least-rounding && (v <= g.most+rounding || g.most == 0 && g.least > 0)
}

// goalsTable is for a terminal, or for the README if mark draws its lines.
func goalsTable(done []finished, mark func(cells ...string) string) string {
	if mark == nil {
		mark = func(c ...string) string { return fmt.Sprintf("  %-6s  %8s  %s  (%s)\n", c[0], c[1], c[2], c[3]) }
	}
	var b strings.Builder
	b.WriteString("\n")
	for _, g := range goals {
		v, ok := g.value(done)
		verdict := map[bool]string{true: "met", false: "missed"}[g.met(v)]
		shown := number(v)
		if g.under != "" {
			shown = ratio(v)
		}
		if !ok {
			verdict, shown = "–", "–"
		}
		b.WriteString(mark(verdict, shown, g.what, g.table))
	}
	last := slowest(done)
	b.WriteString(mark(map[bool]string{true: "met", false: "missed"}[len(last) == 0], fmt.Sprint(len(last)),
		"rows of ours that are the slowest of their table", strings.Join(last, "; ")))
	return b.String()
}

// slowest are the tables with peers in which a row of ours takes longest.
func slowest(done []finished) (tables []string) {
	for _, f := range done {
		for _, results := range f.tables {
			var last *measure.Result
			peers := false
			for _, r := range results {
				peers = peers || r.Role == measure.Peer
				if r.NS > 0 && (last == nil || r.NS > last.NS) {
					last = r
				}
			}
			if peers && last != nil && last.Role == measure.Ours {
				tables = append(tables, last.Table+": "+last.Name)
			}
		}
	}
	return tables
}
