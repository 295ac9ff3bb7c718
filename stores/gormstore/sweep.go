package gormstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

const (
	sweepPage  = 256                    // keys read at once
	purgeAfter = 100 * time.Millisecond // how long a visited row waits for others to be removed with
)

// Sweep implements [store.Sweeper]. It follows the index on the due column in pages, reads each row again before its
// visit, and removes visited rows up to 32 at a time, each only at the version visited, with pauses in between. Rows that
// cannot be opened stay, are passed over, and are counted in the error.
func (s *Store) Sweep(ctx context.Context, n int, visit func(context.Context, *store.Record) error) (int, error) {
	w := sweep{s: s, visit: visit, left: n, look: 8 * n, seen: map[[32]byte]bool{}, rested: time.Now()}
	err := w.run(ctx)
	if err == nil && w.unread > 0 {
		// Not wrapped: "not found" would be a statement about something else.
		err = fmt.Errorf("%d rows cannot be opened: %v", w.unread, w.why) //nolint:errorlint // as said
	}
	if err != nil {
		err = failure(ctx, "sweep", err)
	}
	return w.removed, err
}

// sweep is the state of one call.
type sweep struct {
	s       *Store
	visit   func(context.Context, *store.Record) error
	left    int               // visits
	look    int               // rows, so that many unreadable ones do not make a call endless
	seen    map[[32]byte]bool // a record that its visit put again may come back later in the order
	removed int
	unread  int
	why     error
	pending []any // sum and version of what was visited
	since   time.Time
	rested  time.Time
}

// candidate is an entry of the due index.
type candidate struct {
	sum [32]byte
	due int64
}

func (w *sweep) run(ctx context.Context) error {
	last := candidate{due: math.MinInt64}
	for w.left > 0 && w.look > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := w.s.duePage(ctx, last, min(sweepPage, max(w.left, 16)))
		if err != nil {
			return err
		}
		for _, c := range page {
			if w.left == 0 || w.look == 0 {
				break
			}
			if err := w.one(ctx, c); err != nil {
				return err
			}
			last = c
		}
		if err := w.purge(ctx); err != nil || len(page) == 0 {
			return err
		}
	}
	return w.purge(ctx)
}

// one visits the candidate's record, if it is still due.
func (w *sweep) one(ctx context.Context, c candidate) error {
	if w.seen[c.sum] {
		return nil
	}
	w.look--
	r, err := w.s.read(ctx, &c.sum)
	if err != nil || r == nil {
		return err
	}
	rec, err := w.s.open(store.Hashed(c.sum), &c.sum, r, time.Time{})
	if rec == nil {
		if w.unread++; w.why == nil {
			w.why = err
		}
		return nil
	}
	if due := rec.Due(); due.IsZero() || due.After(r.clock) {
		return nil // the column is a hint, the record decides
	}
	w.seen[c.sum] = true
	w.left--
	if w.visit(ctx, rec) != nil {
		return ctx.Err()
	}
	if len(w.pending) == 0 {
		w.since = time.Now()
	}
	w.pending = append(w.pending, c.sum[:], []byte(r.version))
	if len(w.pending) == 2*purgeBatch || time.Since(w.since) > purgeAfter {
		return w.purge(ctx)
	}
	return ctx.Err()
}

// purge removes what was visited, at the versions visited.
func (w *sweep) purge(ctx context.Context) error {
	if len(w.pending) == 0 {
		return nil
	}
	for len(w.pending) < 2*purgeBatch { // the text has a fixed number of pairs: name the last one again
		w.pending = append(w.pending, w.pending[len(w.pending)-2:]...)
	}
	n, err := w.s.exec(ctx, w.s.sql.purge, w.pending...)
	w.pending = w.pending[:0]
	w.removed += n
	if err != nil || w.left == 0 {
		return err
	}
	return w.rest(ctx)
}

// rest pauses for about as long as the sweep has worked, so that a long one leaves half of the engine to others; by
// chance a little more or less, so that several sweepers get out of step.
func (w *sweep) rest(ctx context.Context) error {
	worked := min(time.Since(w.rested), 50*time.Millisecond)
	pause := time.NewTimer(worked/2 + jitter(worked+1))
	defer pause.Stop()
	select {
	case <-ctx.Done():
	case <-pause.C:
	}
	w.rested = time.Now()
	return ctx.Err()
}

// duePage returns up to limit candidates beyond last, in order.
func (s *Store) duePage(ctx context.Context, last candidate, limit int) ([]candidate, error) {
	var r retry
	for {
		found, err := s.duePageOnce(ctx, last, limit)
		if !r.again(ctx, s, err) {
			return found, err
		}
	}
}

func (s *Store) duePageOnce(ctx context.Context, last candidate, limit int) ([]candidate, error) {
	rows, err := s.query(ctx, s.sql.due, last.due, last.due, last.sum[:], limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []candidate
	for rows.Next() {
		var (
			key []byte
			c   candidate
		)
		if err := rows.Scan(&key, &c.due); err != nil {
			return nil, err
		}
		if len(key) != len(c.sum) {
			return nil, fmt.Errorf("malformed row: sum of %d bytes", len(key))
		}
		c.sum = [32]byte(key)
		found = append(found, c)
	}
	return found, errors.Join(rows.Err(), rows.Close())
}
