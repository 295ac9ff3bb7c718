// Package measure times rows of tables side by side: every row first proves that it refuses what it must, then all rows
// of a table take turns in short slices, so that whatever else the machine does meets them alike.
package measure

import (
	"context"
	"errors"
	"fmt"
)

// Role says what a row is compared as.
type Role string

const (
	Floor Role = "floor" // hand-written, does exactly the job, nothing to spare
	Peer  Role = "peer"
	Ours  Role = "ours"
)

// Row is one contestant of one table.
type Row struct {
	Table string // such as "session/1000"
	Name  string
	Role  Role
	Setup func(*Scene) (*Trial, error)
}

// Trial is a row that was set up. Honest is required, and one of Run and Once.
type Trial struct {
	// Honest returns an error if the row accepts something it must not, or refuses what is good. Such a row is never timed.
	Honest func() error
	// Run is the operation that is timed. i counts up and never repeats; with Workers it is called concurrently.
	Run     func(i int) error
	Workers int // callers at once; 0: one
	// Once is a whole experiment that reports figures of its own, once a round.
	Once  func(ctx context.Context) (Figures, error)
	Most  int     // at most so many rounds of Once; 0: all
	Extra Figures // what does not change from round to round, such as bytes on the wire
	Close func() error
}

// Figures are named numbers of a row, in the order of the columns.
type Figures []Figure

// Figure is one number. Its name carries the unit: "wire B", "wall ms".
type Figure struct {
	Name  string
	Value float64
}

// Get returns the figure of that name.
func (f Figures) Get(name string) (float64, bool) {
	for _, x := range f {
		if x.Name == name {
			return x.Value, true
		}
	}
	return 0, false
}

// Scene is what a row may use while it is set up.
type Scene struct {
	Dir string // empty, the row's own, removed afterwards
	// Small says that nothing will be timed: ten records prove as much honesty as a million.
	Small bool
}

// Size is n, or ten if nothing will be timed.
func (s *Scene) Size(n int) int {
	if s.Small {
		return min(n, 10)
	}
	return n
}

// ErrAbsent says that a row's engine is not there: the row is left out and named.
var ErrAbsent = errors.New("not available here")

// Refused is an honesty check's finding.
func Refused(got error, what string) error {
	if got == nil {
		return fmt.Errorf("accepts %s", what)
	}
	return nil
}
