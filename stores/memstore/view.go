package memstore

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// views are entries that were shown lately, each with its record (entry.shown), so that a request with a session of
// this store makes no copy of it, takes no lock and looks into no map. An entry has one place where it can stand: by its
// sum, and others of that place take turns. So their number is bounded, whatever is asked for.
type views []atomic.Pointer[entry]

const viewsPerShard = 64 // in 256 shards 16,384 of them: 8 MB when all are taken

// gone is shown by an entry that is no longer its handle's.
var gone = &store.Record{}

func (v views) place(sum *[32]byte) *atomic.Pointer[entry] {
	return &v[int(binary.LittleEndian.Uint32(sum[1:]))&(len(v)-1)]
}

// get returns the entry of sum and its record, if that was shown and nothing has happened to it.
func (v views) get(sum *[32]byte) (*entry, *store.Record) {
	e := v.place(sum).Load()
	if e == nil || e.sum != *sum {
		return nil, nil
	}
	rec := e.shown.Load()
	if rec == nil || rec == gone {
		return nil, nil
	}
	return e, rec
}

// put keeps rec as what e shows.
func (v views) put(e *entry, rec *store.Record) {
	place := v.place(&e.sum)
	e.shown.CompareAndSwap(nil, rec)
	if old := place.Swap(e); old != nil && old != e {
		if was := old.shown.Load(); was != gone {
			old.shown.CompareAndSwap(was, nil)
		}
	}
	if e.shown.Load() == gone { // replaced meanwhile, and dropped before it came here
		place.CompareAndSwap(e, nil)
	}
}

// drop lets nobody see e any more; nil is no entry. Its shard is locked.
func (v views) drop(e *entry) {
	if e == nil {
		return
	}
	e.shown.Store(gone)
	v.place(&e.sum).CompareAndSwap(e, nil)
}

// View implements [store.Viewer].
func (s *Store) View(ctx context.Context, h store.Handle) (rec *store.Record, now time.Time) {
	if ctx.Err() != nil || h.IsZero() {
		return nil, time.Time{}
	}
	sum := h.Sum()
	e, rec := s.views.get(&sum)
	if e == nil {
		e = s.shard(&sum).get(sum)
	}
	if e == nil {
		return nil, time.Time{}
	}
	own, system := s.clock.readBoth()
	if !e.live(own.UnixMicro()) {
		return nil, time.Time{}
	}
	if rec == nil {
		rec = e.record(store.Hashed(sum), own)
		s.views.put(e, rec)
	}
	return rec, system
}

// Viewed implements [store.Viewer].
func (s *Store) Viewed() store.TokenStore { return s }
