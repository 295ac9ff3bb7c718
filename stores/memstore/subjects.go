package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/tokenkeep/tokenkeep/store"
)

// subjects finds a subject's records. Where both locks are needed, the record's shard is locked first.
type subjects struct {
	seed   maphash.Seed
	shards []subjectShard
}

// subjectShard holds, for each of its subjects, the newest record that has not ended, linked with the older ones.
type subjectShard struct {
	mu     sync.Mutex
	newest table[string, *entry]
}

func (s *subjects) init(n int) {
	s.seed = maphash.MakeSeed()
	s.shards = make([]subjectShard, n)
}

func (s *subjects) shard(subject string) *subjectShard {
	return &s.shards[maphash.String(s.seed, subject)&uint64(len(s.shards)-1)]
}

// replace takes old out and puts e in; either may be nil.
func (s *subjects) replace(old, e *entry) {
	was, is := listed(old), listed(e)
	if was && is && old.subject() == e.subject() && old.number == e.number {
		s.shard(e.subject()).exchange(old, e)
		return
	}
	if was {
		s.shard(old.subject()).remove(old)
	}
	if is {
		s.shard(e.subject()).insert(e)
	}
}

func listed(e *entry) bool { return e != nil && !e.ended() && e.subject() != "" }

// insert links e below the newer ones: nearly always none.
func (sh *subjectShard) insert(e *entry) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var newer *entry
	older := sh.newest.get(e.subject())
	for older != nil && older.number > e.number {
		newer, older = older, older.older
	}
	sh.link(newer, e)
	sh.link(e, older)
}

// exchange links e where old was.
func (sh *subjectShard) exchange(old, e *entry) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.link(old.newer, e)
	sh.link(e, old.older)
}

func (sh *subjectShard) remove(e *entry) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e.newer == nil && e.older == nil {
		sh.newest.delete(e.subject())
		return
	}
	sh.link(e.newer, e.older)
}

// link makes older follow newer; one of them may be nil. Without a newer one, older is the newest, and its text the table's key: the text of
// an entry that is gone must not stay on the heap. sh is locked.
func (sh *subjectShard) link(newer, older *entry) {
	if older != nil {
		older.newer = newer
	}
	if newer != nil {
		newer.older = older
	} else {
		sh.newest.set(older.subject(), older)
	}
}

// before returns up to n entries of subject numbered below number, newest first.
func (sh *subjectShard) before(number uint64, subject string, n int) (page []*entry) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for e := sh.newest.get(subject); e != nil && len(page) < n; e = e.older {
		if e.number < number {
			page = append(page, e)
		}
	}
	return page
}

// List implements [store.Lister]: the newest records come first. n must be at least 1.
func (s *Store) List(ctx context.Context, subject, cursor string, n int) ([]*store.Record, string, error) {
	if ctx.Err() != nil {
		return nil, "", fmt.Errorf("memstore: list: %w", context.Cause(ctx))
	}
	if n < 1 {
		return nil, "", fmt.Errorf("memstore: list: %d records asked for", n)
	}
	number := ^uint64(0)
	if cursor != "" {
		var err error
		if number, err = strconv.ParseUint(cursor, 36, 64); err != nil {
			return nil, "", errors.New("memstore: list: not a cursor of this store")
		}
	}
	if subject == "" {
		return nil, "", nil
	}
	now := s.clock.read()
	var recs []*store.Record
	for {
		page := s.subjects.shard(subject).before(number, subject, n)
		for _, e := range page {
			number = e.number
			if !e.live(now.UnixMicro()) {
				continue
			}
			if recs = append(recs, e.record(store.Hashed(e.sum), now)); len(recs) == n {
				return recs, strconv.FormatUint(number, 36), nil
			}
		}
		if len(page) < n {
			return recs, "", nil
		}
	}
}
