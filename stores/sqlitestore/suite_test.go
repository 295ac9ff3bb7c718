package sqlitestore_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/store/storetest"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// files remembers what each store of a suite was opened with.
type files struct{ sync.Map }

type file struct {
	path string
	ring *seal.Ring
}

func (f *files) open(t *testing.T) store.TokenStore {
	at := file{filepath.Join(t.TempDir(), "tokens.db"), newRing(t)}
	s := open(t, at.path, at.ring, nil)
	f.Store(s, at)
	return s
}

func (f *files) of(t *testing.T, s store.TokenStore) file {
	t.Helper()
	at, ok := f.Load(s)
	if !ok {
		t.Fatal("not a store of this suite")
	}
	return at.(file)
}

func (f *files) raw(t *testing.T, s store.TokenStore) []byte {
	t.Helper()
	path := f.of(t, s).path
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err) // without the log the newest rows would go unseen
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return append(data, log...)
}

// edit changes the sealed cell behind a handle.
func edit(t *testing.T, s store.TokenStore, h store.Handle, change func([]byte) []byte) {
	t.Helper()
	sum := h.Sum()
	db := s.(*sqlitestore.Store).Writer()
	var sealed []byte
	if err := db.QueryRow(`SELECT data FROM tokenkeep_records WHERE sum = ?`, sum[:]).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE tokenkeep_records SET data = ? WHERE sum = ?`, append([]byte{}, change(sealed)...), sum[:]); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, s store.TokenStore) {
	t.Helper()
	if err := s.(*sqlitestore.Store).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	var f files
	storetest.Run(t, storetest.Harness{
		Open: f.open,
		Peer: func(t *testing.T, s store.TokenStore) store.TokenStore {
			at := f.of(t, s)
			return open(t, at.path, at.ring, nil)
		},
		Raw:   f.raw,
		Edit:  edit,
		Break: cut,
	})
}

func TestContract_inMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		Open:  func(t *testing.T) store.TokenStore { return open(t, ":memory:", newRing(t), nil) },
		Edit:  edit,
		Break: cut,
	})
}

// TestContract_plainGORM is gormstore on a file that the application opened in the plainest way: no log, no limit on
// connections, GORM's prepared statements.
func TestContract_plainGORM(t *testing.T) {
	t.Parallel()
	var f files
	plain := func(t *testing.T, at file) *gormstore.Store {
		db := sqlitestore.Plain(at.path)
		t.Cleanup(func() { db.Close() })
		orm, err := gorm.Open(sqlite.Dialector{Conn: db}, &gorm.Config{Logger: logger.Discard, PrepareStmt: true})
		if err != nil {
			t.Fatal(err)
		}
		s, err := gormstore.New(orm, at.ring, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.Store(s, at)
		return s
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) store.TokenStore {
			return plain(t, file{filepath.Join(t.TempDir(), "app.db"), newRing(t)})
		},
		Peer: func(t *testing.T, s store.TokenStore) store.TokenStore { return plain(t, f.of(t, s)) },
	})
}
