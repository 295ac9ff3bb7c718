package engines_test

import (
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e engine) {
		storetest.Run(t, storetest.Harness{
			Open: func(t *testing.T) store.TokenStore { return newStore(t, e) },
			Peer: func(t *testing.T, s store.TokenStore) store.TokenStore { return s.(*fixture).peer(t) },
			Raw:  func(t *testing.T, s store.TokenStore) []byte { return s.(*fixture).raw(t) },
			Edit: func(t *testing.T, s store.TokenStore, h store.Handle, f func([]byte) []byte) {
				s.(*fixture).edit(t, h, f)
			},
			Break: func(t *testing.T, s store.TokenStore) { s.(*fixture).cut(t) },
		})
	})
}

// raw returns every column of every row.
func (f *fixture) raw(t *testing.T) []byte {
	t.Helper()
	var table []map[string]any
	if err := f.db.Table(f.table).Find(&table).Error; err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, row := range table {
		for name, column := range row {
			all = append(all, name...)
			switch column := column.(type) {
			case []byte:
				all = append(all, column...)
			case string:
				all = append(all, column...)
			case nil, int64:
			default:
				t.Fatalf("column %s is a %T", name, column)
			}
		}
	}
	return all
}

func (f *fixture) edit(t *testing.T, h store.Handle, change func([]byte) []byte) {
	t.Helper()
	sum := h.Sum()
	var sealed []byte
	if err := f.db.Raw("SELECT data FROM "+f.table+" WHERE sum = ?", sum[:]).Row().Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	err := f.db.Exec("UPDATE "+f.table+" SET data = ? WHERE sum = ?", append([]byte{}, change(sealed)...), sum[:]).Error
	if err != nil {
		t.Fatal(err)
	}
}

// cut closes the connections, as good as a server that is gone.
func (f *fixture) cut(t *testing.T) {
	t.Helper()
	pool, err := f.db.DB()
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
}
