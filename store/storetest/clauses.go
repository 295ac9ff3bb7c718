package storetest

import (
	"strings"
	"testing"
)

// clause is one numbered clause of the contract.
type clause struct {
	name      string
	stateless bool // (S): it binds stateless stores too
	cases     []testcase
}

type testcase struct {
	name  string
	needs need
	run   func(t *testing.T, e *env)
}

// need is what a case cannot do without.
type need uint16

const (
	server    need = 1 << iota // handles that stay the same
	stateless                  // handles that are the record
	advance
	raw
	edit
	breaks
	lister
	sweeper
	viewer
)

// String names the needs that a harness or a store can meet.
func (n need) String() string {
	var names []string
	for _, one := range []struct {
		need need
		name string
	}{
		{advance, "Harness.Advance"}, {raw, "Harness.Raw"}, {edit, "Harness.Edit"}, {breaks, "Harness.Break"},
		{lister, "store.Lister"}, {sweeper, "store.Sweeper"}, {viewer, "store.Viewer"},
	} {
		if n&one.need != 0 {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, " and ")
}

// clauses returns the contract in its order.
func clauses() []clause {
	return []clause{
		{"H1", true, bytewiseHandles()},
		{"H2", false, separateHandles()},
		{"H3", false, hashedAtRest()},
		{"H4", true, zeroHandle()},
		{"H5", true, reportedHandle()},
		{"H6", false, hashedHandles()},
		{"C1", false, create()},
		{"C2", false, createOverDead()},
		{"C3", false, concurrentCreate()},
		{"R1", false, replace()},
		{"R2", false, neverInsert()},
		{"R3", false, concurrentReplace()},
		{"R4", false, versions()},
		{"D1", false, remove()},
		{"D2", true, removeNothing()},
		{"G1", true, linearizable()},
		{"G2", true, expiry()},
		{"G3", true, ended()},
		{"G4", true, tampered()},
		{"G5", true, unreachable()},
		{"G6", true, storeClock()},
		{"V1", true, contents()},
		{"V2", true, copies()},
		{"V3", false, sizes()},
		{"V4", true, unsupported()},
		{"V5", true, sealedAtRest()},
		{"F1", true, cancelled()},
		{"F2", true, outcomes()},
		{"F3", true, silentErrors()},
		{"L1", false, list()},
		{"L2", false, pages()},
		{"L3", false, listNothing()},
		{"S1", false, sweep()},
		{"S2", false, sweepOrder()},
		{"S3", false, sweepKeeps()},
		{"S4", false, sweepSpares()},
		{"S5", false, sweepers()},
		{"S6", false, sweepVisits()},
		{"W1", false, views()},
		{"W2", false, currentViews()},
		{"W3", false, lastingViews()},
	}
}
