package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
)

// reach is how many slots' indexes are asked at once.
const reach = 64

// place is where List has come to: in slot shard, behind the entry after.
type place struct {
	shard int
	after string
}

// List implements store.Lister. It walks the subject's entries slot by slot in the order of their sums, which no write
// changes. A record that it cannot read (unknown key, newer format) is an error, because it may be live.
func (s *Store) List(ctx context.Context, subject, cursor string, n int) (recs []*store.Record, next string, err error) {
	if ctx.Err() != nil {
		return nil, "", fmt.Errorf("redisstore: list: %w", context.Cause(ctx))
	}
	if subject == "" || n <= 0 {
		return nil, "", nil
	}
	at := place{after: cursor}
	if cursor != "" {
		sum, ok := sumOf(cursor)
		if !ok {
			return nil, "", errors.New("redisstore: list: the cursor is none of List's")
		}
		at.shard = int(sum[0])
	}
	now, err := s.clock(ctx)
	for err == nil && at.shard < shards {
		var sums [][32]byte
		var then place
		if sums, then, err = s.entries(ctx, subject, at, n); err != nil {
			break
		}
		for len(sums) > 0 && err == nil {
			some := sums[:min(len(sums), n-len(recs))]
			sums = sums[len(some):]
			var lives []*store.Record
			lives, err = s.lives(ctx, subject, some, now)
			if recs = append(recs, lives...); err == nil && len(recs) == n {
				return recs, member(some[len(some)-1]), nil
			}
		}
		at = then
	}
	if err != nil {
		return nil, "", failure(ctx, "list", err)
	}
	return recs, "", nil
}

// entries returns the subject's next entries, about n of a slot, and the place behind the last of them.
func (s *Store) entries(ctx context.Context, subject string, at place, n int) ([][32]byte, place, error) {
	var cmds []*redis.StringSliceCmd
	who := whoIs(subject)
	end := min(at.shard+reach, shards)
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		from := "-"
		if at.after != "" {
			from = "(" + at.after
		}
		for shard := at.shard; shard < end; shard++ {
			cmds = append(cmds, p.ZRangeByLex(ctx, s.subjectKey(byte(shard), who),
				&redis.ZRangeBy{Min: from, Max: "+", Count: int64(n)}))
			from = "-"
		}
		return nil
	})
	if err != nil {
		return nil, at, err
	}
	var sums [][32]byte
	for i, cmd := range cmds {
		for _, text := range cmd.Val() {
			if sum, ok := sumOf(text); ok {
				sums = append(sums, sum)
			}
		}
		if found := cmd.Val(); len(found) == n { // there may be more in this slot
			return sums, place{at.shard + i, found[n-1]}, nil
		}
	}
	return sums, place{shard: end}, nil
}

// lives returns the live ones of the subject among the rows of sums, and drops the entries that point to none.
func (s *Store) lives(ctx context.Context, subject string, sums [][32]byte, now time.Time) ([]*store.Record, error) {
	var cmds []*redis.StringCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, sum := range sums {
			cmds = append(cmds, p.Get(ctx, s.rowKey(sum)))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	var recs []*store.Record
	for i, cmd := range cmds {
		row, err := cmd.Bytes()
		switch {
		case errors.Is(err, redis.Nil):
			if err := s.drop(ctx, sums[i], "", s.subjectKey(sums[i][0], whoIs(subject))); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		rec, err := s.open(store.Hashed(sums[i]), sums[i], row, now)
		switch {
		case err == nil && rec.Subject == subject:
			recs = append(recs, rec)
		case err == nil:
			if err := s.drop(ctx, sums[i], rec.Version, s.subjectKey(sums[i][0], whoIs(subject))); err != nil {
				return nil, err
			}
		case !errors.Is(err, store.ErrNotFound): // which says ended, expired or tampered with
			return nil, err
		}
	}
	return recs, nil
}

// drop removes an index entry unless the row has changed since it was seen at v, or come back since it was absent.
func (s *Store) drop(ctx context.Context, sum [32]byte, v store.Version, index string) error {
	_, err := s.run(ctx, dropScript, []string{s.rowKey(sum), index}, string(v), member(sum))
	return err
}

// clock returns the server's time, in a cluster that of the node that has the first slot.
func (s *Store) clock(ctx context.Context) (time.Time, error) {
	_, now, err := s.timed(s.run(ctx, getScript, []string{s.tags[0] + "clock"}))
	return now, err
}
