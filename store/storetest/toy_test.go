package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/store/storetest"
)

// engine is the database of the toy: rows of sealed records under one lock. The bug, if it is not empty, is the one
// thing that it or its clients do wrong.
type engine struct {
	bug  string
	ring *seal.Ring

	mu     sync.Mutex
	rows   map[[32]byte]*row
	alias  map[[32]byte][32]byte // the first of the handles that a bug takes for one another
	now    time.Time
	writes int
	inside atomic.Bool // a visit runs
}

type row struct {
	sum     [32]byte
	number  int // by creation
	version store.Version
	readAt  time.Time
	rec     *store.Record // what an index would know
	sealed  []byte
	beside  string // what a bug keeps in clear
}

// toy is one client of an engine: a store.TokenStore with both optional powers and one bug at most.
type toy struct {
	*engine
	peer  bool
	down  *bool
	mine  *sync.Mutex
	cache map[[32]byte]*store.Record
}

var errDown = errors.New("toy: connection refused")

func newToy(t *testing.T, bug string) *toy {
	t.Helper()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if bug == "nothing is sealed" {
		ring = seal.InsecurePlaintext()
	}
	e := &engine{bug: bug, ring: ring, rows: map[[32]byte]*row{}, alias: map[[32]byte][32]byte{},
		now: time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)}
	return &toy{engine: e, down: new(bool), mine: new(sync.Mutex), cache: map[[32]byte]*store.Record{}}
}

// toyHarness gives storetest everything it can ask for.
func toyHarness(bug string) storetest.Harness {
	return storetest.Harness{
		Open: func(t *testing.T) store.TokenStore { return newToy(t, bug) },
		Peer: func(_ *testing.T, s store.TokenStore) store.TokenStore {
			return &toy{engine: s.(*toy).engine, peer: true, down: new(bool), mine: new(sync.Mutex),
				cache: map[[32]byte]*store.Record{}}
		},
		Advance: func(_ *testing.T, s store.TokenStore, d time.Duration) {
			s.(*toy).mu.Lock()
			defer s.(*toy).mu.Unlock()
			s.(*toy).now = s.(*toy).now.Add(d)
		},
		Raw: func(_ *testing.T, s store.TokenStore) []byte {
			var b bytes.Buffer
			for sum, r := range s.(*toy).rows {
				fmt.Fprintf(&b, "%s%s%s%s\n", sum[:], r.version, r.sealed, r.beside)
			}
			return b.Bytes()
		},
		Edit: func(t *testing.T, s store.TokenStore, h store.Handle, edit func([]byte) []byte) {
			r := s.(*toy).rows[h.Sum()]
			if r == nil {
				t.Fatal("nothing to edit")
			}
			r.sealed = edit(r.sealed)
		},
		Break: func(_ *testing.T, s store.TokenStore) { *s.(*toy).down = true },
	}
}

// begin is what every call begins with.
func (s *toy) begin(ctx context.Context) error {
	switch {
	case s.bug == "a done context is not noticed":
	case ctx.Err() == nil:
	case s.bug == "a done context is not found":
		return store.ErrNotFound
	case s.bug == "the context's error is not wrapped":
		return fmt.Errorf("toy: %v", context.Cause(ctx))
	case s.bug == "the context's cause is lost":
		return fmt.Errorf("toy: %w", ctx.Err())
	default:
		return fmt.Errorf("toy: %w", context.Cause(ctx))
	}
	if s.inside.Load() && s.bug == "a sweep locks the store" {
		return errors.New("toy: database is locked")
	}
	if *s.down {
		if s.bug == "an unreachable engine is not found" {
			return store.ErrNotFound
		}
		return errDown
	}
	return nil
}

// key returns the row's key: the handle's sum, but for a bug.
func (s *toy) key(h store.Handle) [32]byte {
	sum := h.Sum()
	text := h.Reveal()
	if h.IsKey() {
		text = fmt.Sprintf("%d%s", len(h.Parts()), strings.Join(h.Parts(), "\x01"))
	}
	taken := h
	switch {
	case h.IsZero(), h == store.Hashed(sum):
		return sum
	case s.bug == "handles fold case":
		taken = store.Credential(h.Purpose()+strconv.FormatBool(h.IsKey()), strings.ToLower(text))
	case s.bug == "handles lose trailing spaces":
		taken = store.Credential(h.Purpose()+strconv.FormatBool(h.IsKey()), strings.TrimRight(text, " "))
	case s.bug == "handles end at NUL":
		cut, _, _ := strings.Cut(text, "\x00")
		if h.IsKey() {
			cut = text
		}
		taken = store.Credential(h.Purpose()+strconv.FormatBool(h.IsKey()), cut)
	case s.bug == "handles are cut at 255 bytes":
		taken = store.Credential(h.Purpose()+strconv.FormatBool(h.IsKey()), text[:min(len(text), 255)])
	case s.bug == "purposes share their texts" && !h.IsKey():
		taken = store.Credential("", text)
	case s.bug == "keys are credentials":
		taken = store.Credential(h.Purpose(), text)
		if h.IsKey() {
			taken = store.Credential("session", strings.Join(h.Parts(), "\x01"))
		}
	case s.bug == "parts of keys run together" && h.IsKey():
		taken = store.Key(strings.Join(h.Parts(), ""))
	}
	if taken == h && s.bug != "keys are credentials" {
		return sum
	}
	first, ok := s.alias[taken.Sum()] // whoever came first has it
	if !ok {
		s.alias[taken.Sum()], first = sum, sum
	}
	return first
}

func (s *toy) clock() time.Time {
	switch {
	case s.bug == "the clock has no fractions":
		return s.now.Truncate(time.Second)
	case s.bug == "each process has its clock" && s.peer:
		return s.now.Add(-time.Hour)
	case s.bug == "the clock goes back":
		s.writes++
		return s.now.Add(-time.Duration(s.writes) * time.Nanosecond)
	}
	return s.now
}

// Get implements store.TokenStore.
func (s *toy) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.IsZero() && s.bug != "the zero handle is a handle" {
		return nil, store.ErrNotFound
	}
	key := s.key(h)
	if rec := s.cache[key]; rec != nil && s.bug == "reads are cached" {
		return s.answer(rec.Clone(), h)
	}
	if rec := s.cache[key]; rec != nil && s.bug == "records are handed out themselves" && s.rows[key] != nil &&
		rec.Version == s.rows[key].version {
		return s.answer(rec, h)
	}
	if rec := s.cache[key]; rec != nil && strings.HasSuffix(s.bug, "is kept by Put") &&
		s.rows[key] != nil && s.rows[key].version == rec.Version {
		return s.answer(rec.Clone(), h)
	}
	rec, err := s.open(key)
	if rec == nil {
		return nil, err
	}
	s.cache[key] = rec.Clone()
	if s.bug == "records are handed out themselves" {
		s.cache[key] = rec
	}
	return s.answer(rec, h)
}

// open unseals what is behind key, whether it lives or not.
func (s *toy) open(key [32]byte) (*store.Record, error) {
	r := s.rows[key]
	if r == nil {
		return nil, store.ErrNotFound
	}
	rec, err := s.ring.Open(s.name(key), r.sealed, time.Time{})
	switch {
	case rec == nil && s.bug == "tampering is an error of its own" && errors.Is(err, store.ErrNotFound):
		return nil, errors.New("toy: damaged record")
	case rec == nil && s.bug == "tampering is not noticed":
		rec = r.rec.Clone()
	case rec == nil:
		return nil, err
	}
	rec.Version, rec.ReadAt = r.version, s.clock()
	if s.bug == "ReadAt is stored" {
		rec.ReadAt = r.readAt
	}
	return rec, nil
}

// name binds a sealed record to its row.
func (s *toy) name(key [32]byte) string {
	if s.bug == "a swapped record opens" {
		return "toy"
	}
	return string(key[:])
}

// answer judges rec and adds what is not stored.
func (s *toy) answer(rec *store.Record, h store.Handle) (*store.Record, error) {
	rec.Handle = h
	if s.bug == "Get reports a hashed handle" {
		rec.Handle = store.Hashed(h.Sum())
	}
	ended, expired := !rec.Ended.IsZero(), s.expired(rec)
	switch {
	case ended && expired && s.bug == "an expired record is never ended":
		return nil, store.ErrNotFound
	case ended && s.bug == "ended is not told from absent":
		return nil, store.ErrNotFound
	case ended && s.bug == "ended comes without its record":
		return nil, store.ErrEnded
	case ended && s.bug == "ended is live":
		return rec, nil
	case ended:
		return rec, store.ErrEnded
	case expired && s.bug == "an expired record is shown":
		return rec, store.ErrNotFound
	case expired && s.bug != "sessions do not expire":
		return nil, store.ErrNotFound
	case s.bug == "the access token's expiry hides the record" && !rec.Token.Expiry.IsZero() && rec.Token.Expiry.Before(s.now):
		return nil, store.ErrNotFound
	}
	return rec, nil
}

func (s *toy) expired(rec *store.Record) bool {
	if s.bug == "Expires itself still lives" {
		return !rec.Expires.IsZero() && s.now.After(rec.Expires)
	}
	if s.bug == "expiry is judged in local time" {
		wall := func(t time.Time) string { return t.Format("2006-01-02 15:04:05.000000") }
		return !rec.Expires.IsZero() && wall(s.now) >= wall(s.rows[s.key(rec.Handle)].rec.Expires)
	}
	return rec.Expired(s.clock())
}

// Delete implements store.TokenStore.
func (s *toy) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.key(h)
	r := s.rows[key]
	if h.IsZero() && s.bug == "the zero handle deletes all" {
		clear(s.rows)
	}
	switch {
	case r == nil && s.bug == "deleting nothing fails":
		return store.ErrNotFound
	case r == nil, v == "" && s.bug == "delete wants a version", s.bug == "expired rows are not deleted" && r.rec.Expired(s.now):
		return nil
	case v != "" && v != r.version && s.bug == "deleting another version fails":
		return store.ErrConflict
	case v != "" && v != r.version && s.bug != "delete ignores the version":
		return nil
	case s.bug == "delete ends":
		ended := r.rec.Clone()
		ended.Ended = s.now
		s.write(key, h, ended)
		return nil
	}
	delete(s.rows, key)
	delete(s.cache, key)
	return nil
}
