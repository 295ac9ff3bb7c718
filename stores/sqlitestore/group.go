package sqlitestore

import (
	"context"
	"sync"
	"time"
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
	query   string
	args    []any
	changed int64
	at      time.Time
	err     error
	done    chan struct{}
}

// Together carries out one write, with others where there are any, and returns how many rows it changed, and when. A
// context that ends while the write waits for its turn takes it back. Statements themselves are not interrupted: they are
// short, and the driver's price for being interruptible is a third of their time.
func (p *filePool) Together(ctx context.Context, query string, args []any) (changed int64, at time.Time, err error) {
	g := &p.group
	j := &job{query: query, args: args}
	if g.enterOrWait(j) {
		defer p.next()
		err := borrow(ctx, p.write, j.run)
		return j.changed, j.at, err
	}
	select {
	case <-j.done:
		return j.changed, j.at, j.err
	case <-ctx.Done():
	}
	if g.takeBack(j) {
		return 0, time.Time{}, context.Cause(ctx)
	}
	<-j.done
	return j.changed, j.at, j.err
}

// enter reports whether the writer was free; it is the caller's then, until next.
func (g *group) enter() bool { return g.enterOrWait(nil) }

// enterOrWait puts a job into the queue where the writer is not free.
func (g *group) enterOrWait(j *job) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.busy {
		g.busy = true
		return true
	}
	if j != nil {
		j.done = make(chan struct{})
		g.waiting = append(g.waiting, j)
	}
	return false
}

// next hands the writer on to those who wait. They are served by a goroutine of their own, which ends with the queue:
// who came first has his answer already.
func (p *filePool) next() {
	g := &p.group
	g.mu.Lock()
	g.busy = len(g.waiting) > 0
	if g.busy {
		go p.serve()
	}
	g.mu.Unlock()
}

func (p *filePool) serve() {
	defer p.next()
	if err := borrow(context.Background(), p.write, p.group.commit); err != nil {
		p.group.take().tell(err) // none was served: there is no connection, or no lock to be had
	}
}

// commit carries out all who wait, in one transaction. Its error says that nobody has been told anything yet.
func (g *group) commit(c *conn) error {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil { // from here on nobody else writes
		return err
	}
	var served jobs
	for {
		more := g.take() // those as well who came while the others were written
		served = append(served, more...)
		if err := more.run(c); err != nil {
			// It may have undone the others, too. Each for itself, then.
			c.rollBack()
			for _, j := range served {
				j.tell(j.run(c))
			}
			return nil
		}
		if len(more) == 0 || len(served) >= maxGroup {
			break
		}
	}
	_, err := c.exec("COMMIT")
	if err != nil {
		c.rollBack()
	}
	served.tell(err)
	return nil
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

// run carries them out, up to the first that fails.
func (js jobs) run(c *conn) error {
	for _, j := range js {
		if err := j.run(c); err != nil {
			return err
		}
	}
	return nil
}

// tell tells all of them the same, which may be nil.
func (js jobs) tell(err error) {
	for _, j := range js {
		j.tell(err)
	}
}

func (j *job) tell(err error) {
	j.err = err
	close(j.done)
}

func (j *job) run(c *conn) (err error) {
	j.at = time.Now()
	j.changed, err = c.exec(j.query, j.args...)
	return err
}
