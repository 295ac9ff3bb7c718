package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Options are a Store's optional settings. The zero value and nil mean the defaults.
type Options struct {
	// Table is the table's name: letters, digits and underscores, at most 48 of them; "" means tokenkeep_records.
	Table string

	// SynchronousNormal lets a write return before it has reached the disk: about ten times as many writes a second.
	// Nothing is lost when the process dies, but the last commits may be when the machine does. A refresh token that
	// its provider has rotated since is then gone.
	SynchronousNormal bool
}

// Store is a [store.TokenStore] in a SQLite file, with both optional powers. The zero Store is not usable: call [Open].
// All methods may be called concurrently, by any number of processes on one machine.
type Store struct {
	*gormstore.Store
	pool  *pool
	close sync.Once
	err   error
}

var (
	_ store.TokenStore = (*Store)(nil)
	_ store.Lister     = (*Store)(nil)
	_ store.Sweeper    = (*Store)(nil)
)

// openTimeout bounds Open: other processes may be creating or recovering the same file.
const openTimeout = time.Minute

// Open opens the file at path, creates it if there is none, and migrates its table. The file becomes readable by its
// owner only, also one that exists. ":memory:" is a database in memory, another one for each Open. The caller closes
// the Store.
func Open(path string, ring *seal.Ring, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	var faults []error
	if path == "" {
		faults = append(faults, errors.New("sqlitestore: open: no path"))
	}
	if ring == nil {
		faults = append(faults, errors.New("sqlitestore: open: no ring: see seal.New"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s, err := open(path, ring, o)
	if err != nil {
		return nil, fmt.Errorf("sqlitestore: open: %w", err)
	}
	return s, nil
}

func open(path string, ring *seal.Ring, o *Options) (_ *Store, err error) {
	if path != memory {
		path = followed(path)
		if err := create(path); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	p, err := newPool(ctx, path, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	var conns gorm.ConnPool = p
	if path != memory {
		conns = &filePool{pool: p}
	}
	db, err := gorm.Open(sqlite.Dialector{Conn: conns}, &gorm.Config{Logger: logger.Discard, DisableAutomaticPing: true})
	if err != nil {
		return nil, err
	}
	inner, err := gormstore.New(db, ring, &gormstore.Options{Table: o.Table})
	if err != nil {
		return nil, err
	}
	if path != memory {
		if err := protect(path); err != nil { // by now it is known to be a database, and its log exists
			return nil, err
		}
	}
	if err := inner.Migrate(ctx); err != nil {
		return nil, err
	}
	return &Store{Store: inner, pool: p}, nil
}

// Close waits for the calls under way and closes the file. The Store is not usable afterwards.
func (s *Store) Close() error {
	s.close.Do(func() {
		if err := s.pool.Close(); err != nil {
			s.err = fmt.Errorf("sqlitestore: close: %w", err)
		}
	})
	return s.err
}
