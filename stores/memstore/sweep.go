package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/tokenkeep/tokenkeep/store"
)

// Sweep implements [store.Sweeper]. What visit returns is not reported: the record simply stays. A done context ends
// the sweep with an error that wraps its cause; what was removed by then is counted.
func (s *Store) Sweep(ctx context.Context, n int, visit func(context.Context, *store.Record) error) (int, error) {
	var removed int
	for _, e := range s.oldest(n) {
		if ctx.Err() != nil {
			return removed, fmt.Errorf("memstore: sweep: %w", context.Cause(ctx))
		}
		sh := s.shard(&e.sum)
		if sh.get(e.sum) != e {
			continue // written or removed since it was found
		}
		if visit(ctx, e.record(store.Hashed(e.sum), s.clock.read())) != nil {
			continue
		}
		sh.mu.Lock()
		if sh.entries.get(e.sum) == e { // entries are never changed, only replaced: this is the version visited
			s.remove(sh, e)
			removed++
		}
		sh.mu.Unlock()
	}
	if ctx.Err() != nil {
		return removed, fmt.Errorf("memstore: sweep: %w", context.Cause(ctx))
	}
	return removed, nil
}

// oldest returns the n entries longest due, oldest first. It locks one shard at a time, for readers only.
func (s *Store) oldest(n int) []*entry {
	if n < 1 {
		return nil
	}
	then := s.clock.read().UnixMicro()
	var found []*entry
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.RLock()
		found = sh.ended.until(then, 0, found)
		found = sh.expire.until(then, 0, found)
		sh.mu.RUnlock()
		slices.SortStableFunc(found, func(a, b *entry) int { return cmp.Compare(a.due(), b.due()) })
		if len(found) >= n {
			found = found[:n]
			then = found[n-1].due() // the other shards have to be at least as old
		}
	}
	return found
}

// until appends the entries due by then that stand at or below place i of the heap.
func (q queue) until(then int64, i int, found []*entry) []*entry {
	if i >= len(q) || q[i].due() > then {
		return found
	}
	found = append(found, q[i])
	return q.until(then, 2*i+2, q.until(then, 2*i+1, found))
}
