package gormstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"gorm.io/gorm"
)

// Options are a Store's optional settings. The zero value and nil mean the defaults.
type Options struct {
	// Table is the table's name: letters, digits and underscores, at most 48 of them; "" means tokenkeep_records.
	Table string
}

// Store is a [store.TokenStore] in one table of a database that GORM reaches, with both optional powers. The zero Store
// is not usable: call [New]. All methods may be called concurrently, by any number of processes.
type Store struct {
	ring    *seal.Ring
	db      *gorm.DB
	pool    gorm.ConnPool
	local   local // nil if the pool does not offer it
	inTx    bool  // the caller's transaction: what it holds decides, so nothing is retried
	table   string
	dialect *dialect
	sql     statements
}

var (
	_ store.TokenStore = (*Store)(nil)
	_ store.Lister     = (*Store)(nil)
	_ store.Sweeper    = (*Store)(nil)
)

// New returns a Store on db, whose dialect must be sqlite, postgres or mysql. It sends nothing to the database; see
// [Store.Migrate]. Make one per process: a Store keeps its statements prepared. Given a transaction's handle it works
// inside that transaction and is as short-lived. The error names every argument that is wrong.
func New(db *gorm.DB, ring *seal.Ring, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	var faults []error
	if ring == nil {
		faults = append(faults, errors.New("gormstore: new: no ring: see seal.New"))
	}
	table := o.Table
	if table == "" {
		table = "tokenkeep_records"
	}
	if !validTable(table) {
		faults = append(faults, fmt.Errorf("gormstore: new: Table is %q: want at most 48 letters, digits and underscores", table))
	}
	if db == nil || db.Statement == nil || db.Statement.ConnPool == nil || db.Dialector == nil {
		return nil, errors.Join(append(faults, errors.New("gormstore: new: no database"))...)
	}
	if db.Error != nil {
		faults = append(faults, fmt.Errorf("gormstore: new: the database handle carries an error: %w", db.Error))
	}
	d := dialects[db.Dialector.Name()]
	if d == nil {
		faults = append(faults, fmt.Errorf("gormstore: new: dialect %q: want sqlite, postgres or mysql", db.Dialector.Name()))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s := &Store{ring: ring, db: db, pool: db.Statement.ConnPool, table: table, dialect: d}
	_, s.inTx = s.pool.(gorm.TxCommitter)
	s.local, _ = s.pool.(local)
	s.sql = newStatements(db, d, table, s.local != nil)
	return s, nil
}

// Get implements [store.TokenStore].
func (s *Store) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if ctx.Err() != nil {
		return nil, failure(ctx, "get", nil)
	}
	if h.IsZero() {
		return nil, store.ErrNotFound
	}
	sum := h.Sum()
	r, err := s.read(ctx, &sum)
	if err != nil {
		return nil, failure(ctx, "get", err)
	}
	if r == nil {
		return nil, store.ErrNotFound
	}
	rec, err := s.open(h, &sum, r, r.clock)
	return rec, verdict("get", err)
}

// Put implements [store.TokenStore]. A record whose encoding is above 1 MiB is refused with an error that wraps
// errors.ErrUnsupported.
func (s *Store) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if ctx.Err() != nil {
		return nil, failure(ctx, "put", nil)
	}
	if rec == nil {
		return nil, errors.New("gormstore: put: no record")
	}
	if h.IsZero() {
		if rec.Version != "" {
			return nil, store.ErrNotFound // replacing never inserts, under a fresh handle least of all
		}
		h = store.NewCredential("session")
	}
	sum := h.Sum()
	sealed, err := s.ring.Seal(string(sum[:]), rec)
	if err != nil {
		return nil, verdict("put", err)
	}
	w := &write{sum: &sum, subject: subjectIndex(rec.Subject), due: dueIndex(rec), data: sealed}
	w.version = newVersion(w)
	var at time.Time
	if rec.Version == "" {
		at, err = s.create(ctx, w)
	} else {
		at, err = s.replace(ctx, w, rec.Version)
	}
	switch err {
	case nil:
	case store.ErrExists, store.ErrConflict, store.ErrNotFound:
		return nil, err
	default:
		return nil, failure(ctx, "put", err)
	}
	stored := rec.Clone()
	stored.Handle, stored.Version, stored.ReadAt = h, w.version, at
	return stored, nil
}

// Delete implements [store.TokenStore].
func (s *Store) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	if ctx.Err() != nil {
		return failure(ctx, "delete", nil)
	}
	if h.IsZero() {
		return nil
	}
	sum := h.Sum()
	var err error
	if v == "" {
		_, err = s.exec(ctx, s.sql.remove, sum[:])
	} else {
		_, err = s.exec(ctx, s.sql.removeVersion, sum[:], []byte(v))
	}
	if err != nil {
		return failure(ctx, "delete", err)
	}
	return nil
}

// create inserts w. Where a row stands already, that row decides: a live record is ErrExists; an expired, an ended and
// a forged one are replaced at the version that was judged, so that of all concurrent creates one succeeds; one that
// cannot be judged, for want of its key or of a newer program, stays.
func (s *Store) create(ctx context.Context, w *write) (time.Time, error) {
	for range 100 {
		at, done, err := s.put(ctx, s.sql.insert, w.sum[:], []byte(w.version), w.subject, w.due, w.data)
		if done || err != nil {
			return at, err
		}
		old, err := s.read(ctx, w.sum)
		if err != nil {
			return time.Time{}, err
		}
		if old == nil {
			continue // removed meanwhile
		}
		_, err = s.ring.Open(string(w.sum[:]), old.data, old.clock)
		if err == nil {
			return time.Time{}, store.ErrExists
		}
		if !errors.Is(err, store.ErrNotFound) {
			return time.Time{}, err
		}
		at, done, err = s.update(ctx, w, old.version)
		if done || err != nil {
			return at, err
		}
	}
	return time.Time{}, errors.New("the row kept changing")
}

// replace is one conditional statement; only where it changed nothing, a second one asks why.
func (s *Store) replace(ctx context.Context, w *write, v store.Version) (time.Time, error) {
	at, done, err := s.update(ctx, w, v)
	if done || err != nil {
		return at, err
	}
	old, err := s.read(ctx, w.sum)
	switch {
	case err != nil:
		return time.Time{}, err
	case old == nil:
		return time.Time{}, store.ErrNotFound
	default:
		return time.Time{}, store.ErrConflict
	}
}

func (s *Store) update(ctx context.Context, w *write, v store.Version) (time.Time, bool, error) {
	if len(v) == versionSize && v[digestAt:] == w.version[digestAt:] {
		return s.put(ctx, s.sql.replaceData, []byte(w.version), w.data, w.sum[:], []byte(v))
	}
	return s.put(ctx, s.sql.replace, []byte(w.version), w.subject, w.due, w.data, w.sum[:], []byte(v))
}

// open opens what was read under sum, judging expiry by now unless that is zero.
func (s *Store) open(h store.Handle, sum *[32]byte, r *row, now time.Time) (*store.Record, error) {
	rec, err := s.ring.Open(string(sum[:]), r.data, now)
	if rec != nil {
		rec.Handle, rec.Version, rec.ReadAt = h, r.version, r.clock
	}
	return rec, err
}

// A version's text is 72 random bits and as many of a digest of the indexed columns, in base64, so that it survives any
// encoding. By the digest a replacement knows without reading that it leaves the indexes alone, as each refresh does;
// SQLite would write them anew otherwise.
const (
	versionSize = 24
	digestAt    = versionSize / 2
)

func newVersion(w *write) store.Version {
	var b [versionSize / 4 * 3]byte
	rand.Read(b[:len(b)/2])
	indexed := make([]byte, 0, 40)
	if w.subject != nil {
		indexed = append(indexed, w.subject.([]byte)...)
	}
	if w.due != nil {
		indexed = binary.BigEndian.AppendUint64(indexed, uint64(w.due.(int64)))
	}
	digest := sha256.Sum256(indexed) // the lengths 0, 8, 32 and 40 keep the cases apart
	copy(b[len(b)/2:], digest[:])
	return store.Version(base64.RawURLEncoding.EncodeToString(b[:]))
}

// subjectIndex returns what the subject column holds: a hash, so that the table names nobody.
func subjectIndex(subject string) any {
	if subject == "" {
		return nil
	}
	sum := store.Key("subject", subject).Sum()
	return sum[:]
}

// dueIndex returns what the due column holds: microseconds since 1970, nothing for never.
func dueIndex(rec *store.Record) any {
	due := rec.Due()
	if due.IsZero() {
		return nil
	}
	return due.UnixMicro()
}

func sameSum(b []byte, sum *[32]byte) bool { return bytes.Equal(b, sum[:]) }
