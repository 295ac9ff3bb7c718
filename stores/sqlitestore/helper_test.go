package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

func newRing(t testing.TB, keys ...[]byte) *seal.Ring {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{seal.NewKey()}
	}
	ring, err := seal.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func open(t testing.TB, path string, ring *seal.Ring, o *sqlitestore.Options) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(path, ring, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newFile opens a store on a file of its own.
func newFile(t testing.TB) *sqlitestore.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "tokens.db"), newRing(t), nil)
}
