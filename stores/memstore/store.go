package memstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// ErrFull: Options.MaxRecords records are held and none of them may go. Nothing was written. [Store.Sweep] and
// [Store.Delete] make room, and so does time, as sessions expire.
var ErrFull = errors.New("memstore: full")

const (
	defaultMaxRecords = 1 << 20
	maxShards         = 256
	perShard          = 64 // records that justify another shard

	// maxBytes bounds one record, so that MaxRecords bounds memory: four times what every store accepts.
	maxBytes = 256 << 10
)

// Options are a Store's optional settings. The zero value and nil mean the defaults.
type Options struct {
	// MaxRecords bounds the records held, dead ones included; 0 means 1,048,576 (about 410 MB beside their texts).
	MaxRecords int

	// Now is the store's clock, for tests; nil means the system's. Where it steps back, the store's time stands still.
	Now func() time.Time
}

// Store is a [store.TokenStore] in memory, with all optional powers. It accepts records of up to 256 KiB; a larger one
// is refused with an error that wraps errors.ErrUnsupported. The zero Store is not usable: call [New] or [Single]. All
// methods may be called concurrently; readers wait for a writer of the same shard only, and never for a sweep.
type Store struct {
	clock    clock
	max      int64
	held     atomic.Int64  // records held, and those about to be
	created  atomic.Uint64 // numbers records in the order of their creation, for List
	versions atomic.Uint64 // the last one given out; they begin anywhere, so that no two stores agree on one
	shards   []shard       // by the first bytes of the handle's sum; a power of two of them
	subjects subjects
	views    views
}

var (
	_ store.TokenStore = (*Store)(nil)
	_ store.Lister     = (*Store)(nil)
	_ store.Sweeper    = (*Store)(nil)
	_ store.Viewer     = (*Store)(nil)
)

// New returns an empty Store. A nil o means the defaults; the error names every setting that is wrong.
func New(o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	if o.MaxRecords < 0 {
		return nil, fmt.Errorf("memstore: new: MaxRecords is %d, want 0 or more", o.MaxRecords)
	}
	n := o.MaxRecords
	if n == 0 {
		n = defaultMaxRecords
	}
	return newStore(n, o.Now), nil
}

// Single returns a Store for one record, what a command-line tool needs: it starts the grant under a Key of its own
// choice, such as store.Key("me"), and a second record is [ErrFull] while the first one lives.
func Single() *Store { return newStore(1, nil) }

func newStore(maxRecords int, now func() time.Time) *Store {
	n := min(maxShards, 1<<bits.Len(uint(maxRecords/perShard)))
	s := &Store{max: int64(maxRecords), shards: make([]shard, n)}
	s.clock.init(now)
	var anywhere [8]byte
	rand.Read(anywhere[:])
	s.versions.Store(binary.LittleEndian.Uint64(anywhere[:]))
	s.subjects.init(n)
	s.views = make(views, n*viewsPerShard)
	return s
}

// Get implements [store.TokenStore].
func (s *Store) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("memstore: get: %w", context.Cause(ctx))
	}
	if h.IsZero() {
		return nil, store.ErrNotFound
	}
	sum := h.Sum()
	e := s.shard(&sum).get(sum)
	if e == nil {
		return nil, store.ErrNotFound
	}
	now := s.clock.read()
	switch {
	case e.ended():
		return e.record(h, now), store.ErrEnded
	case e.expired(now.UnixMicro()):
		return nil, store.ErrNotFound
	default:
		return e.record(h, now), nil
	}
}

// Put implements [store.TokenStore]. A new record beyond Options.MaxRecords is [ErrFull].
func (s *Store) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("memstore: put: %w", context.Cause(ctx))
	}
	if rec == nil {
		return nil, errors.New("memstore: put: no record")
	}
	if n := size(rec); n > maxBytes {
		return nil, fmt.Errorf("memstore: put: record of %d bytes, at most %d: %w", n, maxBytes, errors.ErrUnsupported)
	}
	if h.IsZero() {
		h = store.NewCredential("session") // behind which there is nothing to replace
	}
	e := newEntry(h.Sum(), rec, s.versions.Add(1))
	for {
		now, err := s.write(e, rec.Version)
		if err == nil {
			return e.record(h, now), nil
		}
		if !errors.Is(err, ErrFull) || !s.makeRoom(now) {
			return nil, err
		}
	}
}

// write puts e in place of the record at version v, or of none, and returns the clock's reading it judged by.
func (s *Store) write(e *entry, v store.Version) (time.Time, error) {
	sh := s.shard(&e.sum)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := s.clock.read()
	if v == "" {
		s.tidy(sh, now)
	}
	old := sh.entries.get(e.sum)
	switch {
	case v == "" && old != nil && old.live(now.UnixMicro()):
		return now, store.ErrExists
	case v != "" && old == nil:
		return now, store.ErrNotFound
	case v != "" && old.version() != v:
		return now, store.ErrConflict
	case old == nil && s.held.Add(1) > s.max:
		s.held.Add(-1)
		return now, ErrFull
	}
	if v == "" {
		e.number = s.created.Add(1)
	} else {
		e.number = old.number
	}
	sh.replace(old, e)
	s.subjects.replace(old, e)
	s.views.drop(old)
	return now, nil
}

// Delete implements [store.TokenStore].
func (s *Store) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	if ctx.Err() != nil {
		return fmt.Errorf("memstore: delete: %w", context.Cause(ctx))
	}
	if h.IsZero() {
		return nil
	}
	sum := h.Sum()
	sh := s.shard(&sum)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.entries.get(sum); e != nil && (v == "" || e.version() == v) {
		s.remove(sh, e)
	}
	return nil
}

// shard returns where the handle of this sum is kept. Nobody can aim at a shard: the sum is SHA-256.
func (s *Store) shard(sum *[32]byte) *shard { return &s.shards[int(sum[0])&(len(s.shards)-1)] }

// remove drops e, which is in sh; sh is locked.
func (s *Store) remove(sh *shard, e *entry) {
	sh.replace(e, nil)
	s.subjects.replace(e, nil)
	s.views.drop(e)
	s.held.Add(-1)
}
