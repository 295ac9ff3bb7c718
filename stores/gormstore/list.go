package gormstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
)

// entry is a row with its key.
type entry struct {
	sum [32]byte
	*row
}

// List implements [store.Lister]. Pages go by the handles' sums; one may hold fewer than n records and still have a
// successor. A row that cannot be opened for want of its key is an error, so that nobody is told that all sessions were
// listed when one was not; a forged row is left out.
func (s *Store) List(ctx context.Context, subject, cursor string, n int) ([]*store.Record, string, error) {
	if ctx.Err() != nil {
		return nil, "", failure(ctx, "list", nil)
	}
	var after [32]byte
	if cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || len(b) != len(after) {
			return nil, "", errors.New("gormstore: list: not a cursor of this store")
		}
		after = [32]byte(b)
	}
	if subject == "" || n < 1 {
		return nil, "", nil
	}
	found, err := s.page(ctx, subjectIndex(subject), after[:], n+1)
	if err != nil {
		return nil, "", failure(ctx, "list", err)
	}
	var next string
	if len(found) > n {
		found = found[:n]
		next = base64.RawURLEncoding.EncodeToString(found[n-1].sum[:])
	}
	var recs []*store.Record
	for _, e := range found {
		rec, err := s.open(store.Hashed(e.sum), &e.sum, e.row, e.clock)
		switch {
		case err == nil && rec.Subject == subject: // the column is a hint, the record decides
			recs = append(recs, rec)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, "", failure(ctx, "list", err)
		}
	}
	return recs, next, nil
}

// page reads up to limit rows of the subject beyond the sum after.
func (s *Store) page(ctx context.Context, subject any, after []byte, limit int) ([]entry, error) {
	var r retry
	for {
		found, err := s.pageOnce(ctx, subject, after, limit)
		if !r.again(ctx, s, err) {
			return found, err
		}
	}
}

func (s *Store) pageOnce(ctx context.Context, subject any, after []byte, limit int) ([]entry, error) {
	rows, err := s.query(ctx, s.sql.list, subject, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []entry
	for rows.Next() {
		var key []byte
		r, err := scanRow(rows, &key)
		if err != nil {
			return nil, err
		}
		if len(key) != 32 {
			return nil, fmt.Errorf("malformed row: sum of %d bytes", len(key))
		}
		found = append(found, entry{[32]byte(key), r})
	}
	return found, errors.Join(rows.Err(), rows.Close())
}
