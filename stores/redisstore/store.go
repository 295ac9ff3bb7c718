package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// Options are the optional settings of [New]; nil is the zero value.
type Options struct {
	// Prefix begins every key, so that several stores share a server; "tokenkeep:" if empty. It must hold no brace, which
	// Redis Cluster would read as a hash tag.
	Prefix string
}

// Store is a store.TokenStore, store.Lister and store.Sweeper over Redis. Make one with [New]. It is safe for concurrent
// use, by any number of processes over the same data.
type Store struct {
	client redis.UniversalClient
	ring   *seal.Ring
	tags   [shards]string
	seen   atomic.Int64 // the latest time a script told, in microseconds
}

var (
	_ store.TokenStore = (*Store)(nil)
	_ store.Lister     = (*Store)(nil)
	_ store.Sweeper    = (*Store)(nil)
)

// New returns the store that keeps records sealed by ring behind client, which stays the caller's to close. It sends
// nothing yet. It reports all faults at once: no client, no ring, a client that may read from replicas or move keys, a
// prefix with braces.
func New(client redis.UniversalClient, ring *seal.Ring, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	faults := clientFaults(client)
	if ring == nil {
		faults = append(faults, errors.New("redisstore: no key ring"))
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		faults = append(faults, fmt.Errorf("redisstore: Options.Prefix %q has a brace", o.Prefix))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Store{client: client, ring: ring, tags: tags(cmp.Or(o.Prefix, "tokenkeep:"))}, nil
}

// clientFaults finds what would break store.TokenStore's clause G1: reads that do not see acknowledged writes.
func clientFaults(client redis.UniversalClient) []error {
	switch c := client.(type) {
	case nil:
		return []error{errors.New("redisstore: no client")}
	case *redis.Ring:
		return []error{errors.New("redisstore: redis.Ring moves keys when a server is down: use Redis Cluster")}
	case *redis.ClusterClient:
		if c == nil {
			return []error{errors.New("redisstore: no client")}
		}
		if o := c.Options(); o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			return []error{errors.New("redisstore: the client reads from replicas: leave ReadOnly, RouteByLatency and RouteRandomly off")}
		}
	case *redis.Client:
		if c == nil {
			return []error{errors.New("redisstore: no client")}
		}
	}
	return nil
}

// Get implements store.TokenStore in one round trip, the server's time included.
func (s *Store) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("redisstore: get: %w", context.Cause(ctx))
	}
	if h.IsZero() {
		return nil, store.ErrNotFound
	}
	sum := h.Sum()
	row, now, err := s.read(ctx, sum)
	if err != nil {
		return nil, failure(ctx, "get", err)
	}
	rec, err := s.open(h, sum, row, now)
	if rec != nil {
		return rec, err // nil or store.ErrEnded
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, failure(ctx, "get", err)
	}
	return nil, err
}

// read returns the row of sum, empty if there is none, and the server's time. One server answers two commands in one round
// trip; in a cluster only a script is sure to tell the time of the node that has the row.
func (s *Store) read(ctx context.Context, sum [32]byte) ([]byte, time.Time, error) {
	single, is := s.client.(*redis.Client)
	if !is {
		said, now, err := s.timed(s.run(ctx, getScript, []string{s.rowKey(sum)}))
		text, _ := said.(string)
		return []byte(text), now, err
	}
	p := single.Pipeline()
	clock, row := p.Time(ctx), p.Get(ctx, s.rowKey(sum))
	_, err := p.Exec(ctx)
	switch {
	case errors.Is(err, redis.Nil):
		return nil, s.told(clock.Val().UnixMicro()), nil
	case err != nil:
		return nil, time.Time{}, err
	}
	found, err := row.Bytes() // not a copy: nobody changes it
	return found, s.told(clock.Val().UnixMicro()), err
}

// Put implements store.TokenStore in one round trip. It is never sent twice: when the answer is lost the error says so.
func (s *Store) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("redisstore: put: %w", context.Cause(ctx))
	}
	if h.IsZero() {
		h = store.NewCredential("session")
	}
	sum := h.Sum()
	sealed, err := s.ring.Seal(string(sum[:]), rec)
	if err != nil {
		return nil, fmt.Errorf("redisstore: put: %w", err)
	}
	out := rec.Clone()
	round(out)
	out.Handle, out.Version = h, newVersion()
	said, now, err := s.timed(s.runOnce(ctx, putScript, s.keys(sum, rec.Subject),
		s.seen.Load(), string(rec.Version), row(out, sealed), member(sum)))
	if err != nil {
		return nil, failure(ctx, "put", err)
	}
	switch said {
	case written:
		out.ReadAt = now
		return out, nil
	case missing:
		return nil, store.ErrNotFound
	case exists:
		return nil, store.ErrExists
	case conflict:
		return nil, store.ErrConflict
	default:
		return nil, failure(ctx, "put", errForeign)
	}
}

// Delete implements store.TokenStore.
func (s *Store) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	if ctx.Err() != nil {
		return fmt.Errorf("redisstore: delete: %w", context.Cause(ctx))
	}
	if h.IsZero() {
		return nil
	}
	if _, err := s.remove(ctx, h.Sum(), v, ""); err != nil {
		return failure(ctx, "delete", err)
	}
	return nil
}

// remove deletes the row at v and its index entries, that of subject if it is known.
func (s *Store) remove(ctx context.Context, sum [32]byte, v store.Version, subject string) (bool, error) {
	n, err := s.run(ctx, deleteScript, s.keys(sum, subject), string(v), member(sum))
	return n == int64(1), err
}
