package memstore

import (
	"container/heap"
	"sync"
	"time"
)

const (
	// hold is for how long an ended record waits for a sweep: see clause S4 of [store.Sweeper].
	hold = 30 * 24 * time.Hour

	// linger is for how long an expired record waits for a sweep, unless the store is full.
	linger = time.Hour

	// tidyUp is how many dead records each creation removes: more than one, so that the dead never outgrow the living.
	tidyUp = 2
)

// shard is one part of the records, under its own lock.
type shard struct {
	mu      sync.RWMutex
	entries table[[32]byte, *entry]
	expire  queue // the live ones that expire, soonest first
	ended   queue // the ended ones, longest first

	_ [24]byte // shards do not share cache lines
}

func (sh *shard) get(sum [32]byte) *entry {
	sh.mu.RLock()
	e := sh.entries.get(sum)
	sh.mu.RUnlock()
	return e
}

// replace puts e in the place of old; either may be nil. sh is locked.
func (sh *shard) replace(old, e *entry) {
	if e == nil {
		sh.entries.delete(old.sum)
	} else {
		sh.entries.set(e.sum, e)
	}
	from, to := sh.queue(old), sh.queue(e)
	switch {
	case from == to && from != nil:
		from.exchange(old, e)
		return
	case from != nil:
		from.remove(old)
	}
	if to != nil {
		heap.Push(to, e)
	}
}

// queue returns where e waits for its end, nil if it never ends, or is nil.
func (sh *shard) queue(e *entry) *queue {
	switch {
	case e == nil:
		return nil
	case e.ended():
		return &sh.ended
	case e.expires != never:
		return &sh.expire
	default:
		return nil
	}
}

// idle returns a record nobody will miss, nil if there is none: one that expired at least grace ago, or an ended one
// past its hold. sh is locked.
func (sh *shard) idle(now time.Time, grace time.Duration) *entry {
	if e := sh.expire.first(); e != nil && e.expired(now.Add(-grace).UnixMicro()) {
		return e
	}
	if e := sh.ended.first(); e != nil && e.due() < now.Add(-hold).UnixMicro() {
		return e
	}
	return nil
}

// tidy removes a few records that were forgotten, so that the store does not grow without sweeps. sh is locked.
func (s *Store) tidy(sh *shard, now time.Time) {
	for range tidyUp {
		e := sh.idle(now, linger)
		if e == nil {
			return
		}
		s.remove(sh, e)
	}
}

// makeRoom removes one record that may go and reports whether there was one.
func (s *Store) makeRoom(now time.Time) bool {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		e := sh.idle(now, 0)
		if e != nil {
			s.remove(sh, e)
		}
		sh.mu.Unlock()
		if e != nil {
			return true
		}
	}
	return false
}

// queue is a heap of entries by due.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due() < q[j].due() }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = int32(i), int32(j)
}

// Push implements heap.Interface.
func (q *queue) Push(e any) {
	e.(*entry).place = int32(len(*q))
	*q = append(*q, e.(*entry))
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	n := len(*q) - 1
	e := (*q)[n]
	(*q)[n] = nil
	*q = (*q)[:n]
	if cap(*q) > roomy && n < cap(*q)/4 {
		*q = append(make(queue, 0, n+n/2), *q...)
	}
	return e
}

func (q *queue) remove(e *entry) { heap.Remove(q, int(e.place)) }

// exchange puts e where old is, and moves it on if it is due at another time.
func (q *queue) exchange(old, e *entry) {
	e.place = old.place
	(*q)[e.place] = e
	if e.due() != old.due() {
		heap.Fix(q, int(e.place))
	}
}

func (q queue) first() *entry {
	if len(q) == 0 {
		return nil
	}
	return q[0]
}
