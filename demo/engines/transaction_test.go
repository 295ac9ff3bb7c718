package engines_test

import (
	"errors"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"gorm.io/gorm"
)

// TestTransaction uses a store inside the caller's transaction. There a create that meets a live record must not spoil
// the transaction, as a failed statement does on PostgreSQL.
func TestTransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e engine) {
		f := newStore(t, e)
		change := errors.New("of mind")
		for _, test := range []struct {
			name         string
			result, want error
		}{{"rolled back", change, store.ErrNotFound}, {"committed", nil, nil}} {
			h := store.Key(test.name)
			err := f.db.Transaction(func(tx *gorm.DB) error {
				s, err := gormstore.New(tx, f.ring, &gormstore.Options{Table: f.table})
				if err != nil {
					return err
				}
				rec, err := s.Put(t.Context(), h, &store.Record{ID: "1"})
				if err != nil {
					return err
				}
				if _, err := s.Put(t.Context(), h, &store.Record{ID: "2"}); err != store.ErrExists {
					t.Errorf("second create: %v, want ErrExists", err)
				}
				rec.ID = "3"
				if _, err := s.Put(t.Context(), h, rec); err != nil {
					return err
				}
				if rec, err := s.Get(t.Context(), h); err != nil || rec.ID != "3" {
					t.Errorf("inside: %v, %v", rec, err)
				}
				if _, err := f.Get(t.Context(), h); err != store.ErrNotFound {
					t.Errorf("outside, before the commit: %v, want ErrNotFound", err)
				}
				return test.result
			})
			if err != test.result {
				t.Fatal(err)
			}
			if _, err := f.Get(t.Context(), h); err != test.want {
				t.Errorf("%s: Get %v, want %v", test.name, err, test.want)
			}
		}
	})
}

// TestConfigurations runs the store under the settings that people give to GORM and to its drivers.
func TestConfigurations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e engine) {
		f := newStore(t, e)
		configs := map[string]*gorm.Config{
			"prepared":       {PrepareStmt: true},
			"translated":     {TranslateError: true},
			"no transaction": {SkipDefaultTransaction: true, DisableNestedTransaction: true},
			"dry run":        {DryRun: true},
		}
		for name, config := range configs {
			s, err := gormstore.New(e.db(t, config), f.ring, &gormstore.Options{Table: f.table})
			if err != nil {
				t.Fatal(err)
			}
			h := store.Key(name)
			rec, err := s.Put(t.Context(), h, &store.Record{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := s.Put(t.Context(), h, &store.Record{}); err != store.ErrExists {
				t.Errorf("%s: second create: %v, want ErrExists", name, err)
			}
			if _, err := s.Put(t.Context(), h, rec); err != nil {
				t.Errorf("%s: replace: %v", name, err)
			}
			if _, err := s.Put(t.Context(), h, rec); err != store.ErrConflict {
				t.Errorf("%s: replace of an old version: %v, want ErrConflict", name, err)
			}
		}
	})
}
