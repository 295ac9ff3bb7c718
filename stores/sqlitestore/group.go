package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// group lets writes that arrive during another one share the next commit: what a durable write waits for is the disk,
// and the disk takes as long for fifty rows as for one. Nobody is told of success before the commit that holds his row.
// The zero value is ready.
type group struct {
	mu      sync.Mutex
	busy    bool // somebody writes, and will look at the queue afterwards
	waiting []*job
}

// maxGroup bounds how long the first of a group waits for the last.
const maxGroup = 128

// job is one caller's write.
type job struct {
	stmt *sql.Stmt
	args []any
	read func(*sql.Rows) error
	err  error
	done chan struct{}
}

// Together carries out one write, with others where there are any; read gets its rows, maybe more than once, and closes
// them. A context that ends while the write waits for its turn takes it back. Statements themselves are not interrupted:
// they are short, and the driver's price for being interruptible is a third of their time.
func (p *pool) Together(ctx context.Context, stmt *sql.Stmt, args []any, read func(*sql.Rows) error) error {
	g := &p.group
	j := &job{stmt: stmt, args: args, read: read}
	g.mu.Lock()
	if !g.busy {
		g.busy = true
		g.mu.Unlock()
		defer p.next()
		return j.run(stmt)
	}
	j.done = make(chan struct{})
	g.waiting = append(g.waiting, j)
	g.mu.Unlock()
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
	}
	if g.takeBack(j) {
		return context.Cause(ctx)
	}
	<-j.done
	return j.err
}

// next hands the writer on to those who wait. They are served by a goroutine of their own, which ends with the queue:
// who came first has his answer already.
func (p *pool) next() {
	g := &p.group
	g.mu.Lock()
	g.busy = len(g.waiting) > 0
	if g.busy {
		go p.serve()
	}
	g.mu.Unlock()
}

func (p *pool) serve() {
	defer p.next()
	tx, err := p.write.BeginTx(context.Background(), nil) // immediate: from here on nobody else writes
	jobs := p.group.take()
	if err == nil {
		err = jobs.runIn(tx)
	} else {
		jobs.fail(err)
		return
	}
	if errors.Is(err, errAlone) {
		// One failed, which may have undone the others as well. Each for itself, then.
		for _, j := range jobs {
			j.err = j.run(j.stmt)
			close(j.done)
		}
		return
	}
	jobs.fail(err)
}

func (g *group) take() jobs {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxGroup)
	taken := jobs(g.waiting[:n:n])
	g.waiting = g.waiting[n:]
	return taken
}

// takeBack reports whether j was still waiting.
func (g *group) takeBack(j *job) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == j {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

type jobs []*job

// errAlone says that nothing was committed and that each job is to be tried by itself.
var errAlone = errors.New("a write of the group failed")

// runIn carries all out and commits.
func (js jobs) runIn(tx *sql.Tx) error {
	for _, j := range js {
		if err := j.run(tx.Stmt(j.stmt)); err != nil {
			return errors.Join(fmt.Errorf("%w: %w", errAlone, err), tx.Rollback())
		}
	}
	return tx.Commit()
}

// fail tells all of them the same, which may be nil.
func (js jobs) fail(err error) {
	for _, j := range js {
		j.err = err
		close(j.done)
	}
}

func (j *job) run(stmt *sql.Stmt) error {
	rows, err := stmt.QueryContext(context.Background(), j.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return j.read(rows)
}
