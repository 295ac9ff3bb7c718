package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
)

// batch is how many due entries of a slot are asked for at once.
const batch = 64

// sweeping is one run of Sweep.
type sweeping struct {
	*Store
	now   time.Time
	visit func(context.Context, *store.Record) error

	met  map[[32]byte]bool // entries that this run has dealt with
	stay [shards]int       // how many of them are there still
	lost []error           // records that could not be read
}

type dueEntry struct {
	sum [32]byte
	at  float64 // microseconds
}

// Sweep implements store.Sweeper. A record that cannot be read (unknown key, newer format) is left alone and does not
// hold up the others; the error tells about it after all else is done. n bounds the visits.
func (s *Store) Sweep(ctx context.Context, n int, visit func(context.Context, *store.Record) error) (removed int, err error) {
	if ctx.Err() != nil {
		return 0, fmt.Errorf("redisstore: sweep: %w", context.Cause(ctx))
	}
	now, err := s.clock(ctx)
	if err != nil {
		return 0, failure(ctx, "sweep", err)
	}
	w := &sweeping{Store: s, now: now, visit: visit, met: map[[32]byte]bool{}}
	for n > 0 {
		entries, err := w.next(ctx, min(n, batch))
		if err != nil {
			return removed, failure(ctx, "sweep", err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries[:min(n, len(entries))] {
			what, err := w.deal(ctx, e)
			if err != nil {
				return removed, failure(ctx, "sweep", err)
			}
			if what == kept || what == skipped {
				w.stay[e.sum[0]]++
			}
			if what == kept || what == swept {
				n--
			}
			if what == swept {
				removed++
			}
		}
	}
	if len(w.lost) > 0 {
		return removed, fmt.Errorf("redisstore: sweep: %d due records cannot be read: %w", len(w.lost), w.lost[0])
	}
	return removed, nil
}

// next returns the oldest due entries, of all slots together and in order, that this run has not met.
func (w *sweeping) next(ctx context.Context, n int) ([]dueEntry, error) {
	cmds := make([]*redis.ZSliceCmd, shards)
	size := func(shard int) int { return n + w.stay[shard] }
	_, err := w.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard := range shards {
			cmds[shard] = p.ZRangeByScoreWithScores(ctx, w.dueKey(byte(shard)), &redis.ZRangeBy{
				Min: "-inf", Max: strconv.FormatInt(w.now.UnixMicro(), 10), Count: int64(size(shard)),
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var entries []dueEntry
	horizon := math.Inf(1) // beyond it a slot has entries that were not asked for
	for shard, cmd := range cmds {
		found := cmd.Val()
		for _, z := range found {
			text, _ := z.Member.(string)
			if sum, ok := sumOf(text); ok && !w.met[sum] {
				entries = append(entries, dueEntry{sum, z.Score})
			}
		}
		if len(found) == size(shard) {
			horizon = min(horizon, found[len(found)-1].Score)
		}
	}
	slices.SortFunc(entries, func(a, b dueEntry) int { return cmp.Compare(a.at, b.at) })
	return slices.DeleteFunc(entries, func(e dueEntry) bool { return e.at > horizon }), nil
}

// fate is what became of an entry.
type fate uint8

const (
	skipped fate = iota // not visited: not due, or not readable
	kept                // visited, and still there
	swept               // visited and removed
	stale               // there was no row any more
)

// deal visits one entry's record, if it is there and due, and removes it if the visit agrees.
func (w *sweeping) deal(ctx context.Context, e dueEntry) (fate, error) {
	if ctx.Err() != nil {
		return skipped, context.Cause(ctx)
	}
	w.met[e.sum] = true
	row, now, err := w.read(ctx, e.sum)
	if err != nil {
		return skipped, err
	}
	if len(row) == 0 { // its TTL took the row, or another sweeper did
		return stale, w.drop(ctx, e.sum, "", w.dueKey(e.sum[0]))
	}
	rec, err := w.open(store.Hashed(e.sum), e.sum, row, time.Time{})
	switch {
	case rec == nil && errors.Is(err, store.ErrNotFound): // tampered with: the TTL takes it
		return skipped, nil
	case rec == nil:
		w.lost = append(w.lost, err)
		return skipped, nil
	case rec.Due().IsZero() || rec.Due().After(now):
		return skipped, nil
	}
	rec.ReadAt = now
	v, subject := rec.Version, rec.Subject
	if w.visit(ctx, rec) != nil {
		return kept, nil
	}
	gone, err := w.remove(ctx, e.sum, v, subject)
	if gone {
		return swept, err
	}
	return kept, err
}
