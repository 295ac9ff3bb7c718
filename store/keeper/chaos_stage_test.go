//go:build chaos

package keeper_test

import (
	"fmt"
	"hash/fnv"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// budget is how many faults of each sort one history may have.
type budget struct {
	crash int // a process dies at any yield point
	pause int // a process stops at any yield point for longer than the lease; not between its check and its send
	gap   int // a process stops between its check and its send for longer than the lease
	slow  int // a request reaches the provider only after the lease, while its sender lives on
	lose  int // an answer is lost after the provider's commit, or the request before it
}

// stage runs one history: real keepers over one store and one provider, each step of theirs released by choice.
type stage struct {
	sync.Mutex
	choose func(n int, state func() uint64) (int, bool) // false: the state was seen before, go no further

	begun  time.Time
	mem    *memstore.Store
	issuer *issuer
	actors []*actor
	parked []*stop
	jobs   []*job
	left   budget
	writes map[store.Version]string // by whose step
	wake   chan struct{}
	loud   bool
	trace  []string
	ended  bool // a logout was acknowledged
}

// stop is a goroutine at a yield point.
type stop struct {
	actor   *actor
	label   string
	shared  bool // what follows touches what others see: an interleaving point
	settled bool // its fate is decided
	resume  chan struct{}
}

// job is a request on its way through the network: it arrives whatever happens to its sender.
type job struct {
	actor     *actor
	name      string
	serve     func() any
	fails     bool // its answer can be lost
	answer    chan any
	held      bool      // in the hands of its sender, which is stopped
	late      bool      // it was, and its answer is awaited all the same
	notBefore time.Time // slow
}

func (s *stage) say(format string, args ...any) {
	if !s.loud {
		return
	}
	s.trace = append(s.trace, fmt.Sprintf("%8s  ", time.Since(s.begun).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (s *stage) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// yield parks the calling goroutine until the scheduler lets it go on; a dead process's never does.
func (a *actor) yield(label string, shared, settled bool) {
	s := a.stage
	s.Lock()
	if a.dead {
		s.Unlock()
		runtime.Goexit()
	}
	p := &stop{actor: a, label: label, shared: shared, settled: settled, resume: make(chan struct{})}
	s.parked = append(s.parked, p)
	s.Unlock()
	s.rouse()
	<-p.resume
	s.Lock()
	dead := a.dead
	s.Unlock()
	if dead {
		runtime.Goexit()
	}
}

// run schedules until every process is done; false: cut short at a state seen before.
func (s *stage) run() (bool, error) {
	for step := 0; ; step++ {
		synctest.Wait()
		if step > 5000 {
			return false, fmt.Errorf("does not end")
		}
		s.Lock()
		s.sort()
		p := s.undecided()
		s.Unlock()
		if p != nil {
			if !s.decide(p) {
				return false, nil
			}
			continue
		}
		opts := s.options()
		if len(opts) == 0 {
			done, err := s.pass()
			if done || err != nil {
				return err == nil, err
			}
			continue
		}
		i, ok := s.choose(len(opts), s.hash)
		if !ok {
			return false, nil
		}
		s.say("%s", opts[i].name)
		opts[i].do()
	}
}

func (s *stage) sort() {
	slices.SortStableFunc(s.parked, func(x, y *stop) int {
		if x.actor != y.actor {
			return x.actor.index - y.actor.index
		}
		return strings.Compare(x.label, y.label)
	})
}

func (s *stage) undecided() *stop {
	for _, p := range s.parked {
		if !p.actor.paused && (!p.settled || !p.shared) {
			return p
		}
	}
	return nil
}

type option struct {
	name string
	do   func()
}

// decide chooses what befalls a process at the yield point it has just reached. That commutes with what others do.
func (s *stage) decide(p *stop) bool {
	opts := []option{{"", func() {}}}
	if !p.settled {
		opts = append(opts, s.fates(p)...)
	}
	i := 0
	if len(opts) > 1 {
		var ok bool
		if i, ok = s.choose(len(opts), s.hash); !ok {
			return false
		}
	}
	p.settled = true
	if i > 0 {
		s.say("%s: %s", p.actor.name, opts[i].name)
	}
	opts[i].do()
	if !p.shared && !p.actor.paused && !p.actor.dead {
		s.release(p)
	}
	return true
}

func (s *stage) fates(p *stop) (opts []option) {
	a := p.actor
	if s.left.crash > 0 {
		opts = append(opts, option{"crash at " + p.label, func() { s.left.crash--; s.kill(a) }})
	}
	if s.left.pause > 0 {
		opts = append(opts, option{"pause at " + p.label, func() { s.left.pause--; s.pause(a) }})
	}
	if p.label != "sent" {
		return opts
	}
	j := s.lastJob(a)
	if s.left.gap > 0 {
		opts = append(opts, option{"pause before the request leaves", func() { s.left.gap--; j.held, j.late = true, true; s.pause(a) }})
	}
	if s.left.slow > 0 {
		opts = append(opts, option{"request is slow", func() { s.left.slow--; j.notBefore = time.Now().Add(chaosPause) }})
	}
	return opts
}

func (s *stage) lastJob(a *actor) *job {
	for _, j := range slices.Backward(s.jobs) {
		if j.actor == a {
			return j
		}
	}
	return nil
}

func (s *stage) pause(a *actor) {
	s.Lock()
	defer s.Unlock()
	a.paused, a.until = true, time.Now().Add(chaosPause)
}

func (s *stage) release(p *stop) {
	s.Lock()
	defer s.Unlock()
	i := slices.Index(s.parked, p)
	s.parked = slices.Delete(s.parked, i, i+1)
	close(p.resume)
}

// kill ends a process: its goroutines go no further, what it has sent is under way.
func (s *stage) kill(a *actor) {
	s.Lock()
	a.dead, a.paused, a.done = true, false, true
	s.parked = slices.DeleteFunc(s.parked, func(p *stop) bool {
		if p.actor == a {
			close(p.resume)
		}
		return p.actor == a
	})
	s.Unlock()
	a.cancel()
	a.keep.Close(a.ctx)
}

// options lists everything that can happen next without time passing.
func (s *stage) options() (opts []option) {
	s.Lock()
	defer s.Unlock()
	now := time.Now()
	for _, p := range s.parked {
		if !p.actor.paused && (p.label != "start" || s.first(p.actor)) {
			opts = append(opts, option{p.actor.name + " " + p.label, func() { s.release(p) }})
		}
	}
	for _, j := range s.jobs {
		if j.held || now.Before(j.notBefore) {
			continue
		}
		opts = append(opts, option{"deliver " + j.name, func() { s.deliver(j, true, true) }})
		if s.left.lose > 0 && j.fails {
			opts = append(opts,
				option{"deliver, lose the answer to " + j.name, func() { s.left.lose--; s.deliver(j, true, false) }},
				option{"lose " + j.name, func() { s.left.lose--; s.deliver(j, false, false) }})
		}
	}
	for _, a := range s.actors {
		if !a.paused {
			continue
		}
		if !now.Before(a.until) {
			opts = append(opts, option{a.name + " resumes", func() { s.resume(a) }})
		} else if len(opts) > 0 && s.othersIdle(a) {
			opts = append(opts, option{"time passes", func() { time.Sleep(time.Until(a.until)) }})
		}
	}
	return opts
}

// first reports whether everybody who does the same as a and comes before it has started: names do not matter.
func (s *stage) first(a *actor) bool {
	return !slices.ContainsFunc(s.parked, func(p *stop) bool {
		return p.label == "start" && p.actor.kind == a.kind && p.actor.index < a.index
	})
}

// othersIdle reports whether time may pass without stopping anybody but a in the middle.
func (s *stage) othersIdle(a *actor) bool {
	for _, j := range s.jobs {
		if !j.held {
			return false
		}
	}
	for _, b := range s.actors {
		if b != a && !b.done && !slices.ContainsFunc(s.parked, func(p *stop) bool { return p.actor == b && p.label == "start" }) {
			return false
		}
	}
	return true
}

func (s *stage) resume(a *actor) {
	s.Lock()
	defer s.Unlock()
	a.paused = false
	for _, j := range s.jobs {
		if j.actor == a {
			j.held = false
		}
	}
	s.rouse()
}

func (s *stage) deliver(j *job, arrives, answered bool) {
	s.Lock()
	s.jobs = slices.DeleteFunc(s.jobs, func(x *job) bool { return x == j })
	s.Unlock()
	var answer any = errLost
	if arrives {
		got := j.serve()
		s.say("    provider: %s: %+v", j.name, got)
		if answered {
			answer = got
		}
	}
	j.answer <- answer
}

// pass lets time go on until something happens; true: nothing ever will.
func (s *stage) pass() (bool, error) {
	next, idle := 10*time.Minute, true
	for _, a := range s.actors {
		if a.paused {
			next = min(next, time.Until(a.until))
		}
		idle = idle && a.done
	}
	for _, j := range s.jobs {
		if d := time.Until(j.notBefore); d > 0 {
			next, idle = min(next, d), false
		}
	}
	if idle {
		return true, nil
	}
	timer := time.NewTimer(next)
	defer timer.Stop()
	select {
	case <-s.wake:
	case <-timer.C:
		if next == 10*time.Minute {
			return false, fmt.Errorf("a process is stuck")
		}
	}
	return false, nil
}

// hash is of everything that the future depends on: what each process has seen and when, and what they share.
func (s *stage) hash() uint64 {
	s.Lock()
	defer s.Unlock()
	h := fnv.New64a()
	fmt.Fprint(h, time.Since(s.begun), s.left, s.issuer.fingerprint(), s.ended)
	rec, err := s.mem.Get(background, chaosKey)
	if rec != nil {
		fmt.Fprint(h, s.writes[rec.Version])
	}
	fmt.Fprint(h, err)
	for _, a := range s.actors {
		fmt.Fprint(h, a.name, a.seen, a.dead, a.paused, a.done)
		if a.paused {
			fmt.Fprint(h, time.Until(a.until))
		}
	}
	for _, p := range s.parked {
		fmt.Fprint(h, p.actor.name, p.label, p.settled)
	}
	for _, j := range s.jobs {
		fmt.Fprint(h, j.name, j.held, time.Until(j.notBefore) > 0)
	}
	return h.Sum64()
}
