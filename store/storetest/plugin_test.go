package storetest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// kvStore is a whole store for an engine that can get, put on a condition, and delete on a condition, as etcd, Consul,
// NATS and DynamoDB can. Sealing, encoding and hashing are the kit's; what is left is this file.
type kvStore struct {
	engine *kv
	ring   *seal.Ring
}

var _ store.TokenStore = (*kvStore)(nil)

func (s *kvStore) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	sum := h.Sum()
	sealed, version, err := s.engine.get(ctx, sum)
	if errors.Is(err, errNoKey) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("kvstore: get: %w", err)
	}
	rec, err := s.ring.Open(string(sum[:]), sealed, time.Now()) // ErrNotFound, ErrEnded with the record, or unreadable
	if rec != nil {
		rec.Handle, rec.Version = h, store.Version(version)
	}
	return rec, err
}

func (s *kvStore) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if h.IsZero() {
		h = store.NewCredential("session")
	}
	sum := h.Sum()
	sealed, err := s.ring.Seal(string(sum[:]), rec)
	if err != nil {
		return nil, fmt.Errorf("kvstore: put: %w", err)
	}
	old, create := string(rec.Version), rec.Version == ""
	if create { // over nothing, or in the place of what has ended or expired
		if old, err = s.dead(ctx, sum); err != nil {
			return nil, err
		}
	}
	version := rand.Text()
	switch err := s.engine.put(ctx, sum, sealed, old, version); {
	case errors.Is(err, errChanged) && create:
		return nil, store.ErrExists // somebody else created it meanwhile
	case errors.Is(err, errChanged):
		return nil, store.ErrConflict
	case errors.Is(err, errNoKey) && create:
		return s.Put(ctx, h, rec) // what was dead is gone by now
	case errors.Is(err, errNoKey):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("kvstore: put: %w", err)
	}
	out := rec.Clone()
	out.Handle, out.Version, out.ReadAt = h, store.Version(version), time.Time{} // the engine tells no time
	return out, nil
}

// dead returns the version of the dead record that a create may replace, "" if there is none.
func (s *kvStore) dead(ctx context.Context, sum [32]byte) (string, error) {
	sealed, version, err := s.engine.get(ctx, sum)
	if errors.Is(err, errNoKey) {
		return "", nil
	}
	if err == nil {
		_, err = s.ring.Open(string(sum[:]), sealed, time.Now())
	}
	switch {
	case err == nil:
		return "", store.ErrExists
	case errors.Is(err, store.ErrNotFound):
		return version, nil
	default:
		return "", fmt.Errorf("kvstore: put: %w", err)
	}
}

func (s *kvStore) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	err := s.engine.remove(ctx, h.Sum(), string(v))
	if err != nil && !errors.Is(err, errNoKey) && !errors.Is(err, errChanged) {
		return fmt.Errorf("kvstore: delete: %w", err)
	}
	return nil
}
