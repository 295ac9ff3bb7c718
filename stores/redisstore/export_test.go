package redisstore

import (
	"context"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Seen pretends that a script told this time.
func (s *Store) Seen(at time.Time) { s.seen.Store(at.UnixMicro()) }

// LastSeen is the latest time that a script told.
func (s *Store) LastSeen() time.Time { return time.UnixMicro(s.seen.Load()) }

// Drop drops the entry of h in an index, as one who has seen the row at v, or none.
func (s *Store) Drop(ctx context.Context, h store.Handle, v store.Version, index string) error {
	return s.drop(ctx, h.Sum(), v, index)
}

// Open reads what stands in a row.
func (s *Store) Open(h store.Handle, row string) (*store.Record, error) {
	return s.open(h, h.Sum(), []byte(row), time.Unix(1, 0))
}

// Row is what is written for rec.
func (s *Store) Row(h store.Handle, rec *store.Record) (string, error) {
	sum := h.Sum()
	sealed, err := s.ring.Seal(string(sum[:]), rec)
	return string(row(rec, sealed)), err
}
