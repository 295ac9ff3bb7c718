package sqlitestore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// What follows is about gormstore on a database that the application opened itself; its own tests may not import a
// driver.

func newGORM(t *testing.T, config *gorm.Config) *gorm.DB {
	t.Helper()
	s := newFile(t) // for its driver and its file
	config.Logger = logger.Discard
	db, err := gorm.Open(sqlite.Dialector{Conn: s.Writer()}, config)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func newGORMStore(t *testing.T, db *gorm.DB, o *gormstore.Options) *gormstore.Store {
	t.Helper()
	s, err := gormstore.New(db, newRing(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGORM_transaction(t *testing.T) {
	t.Parallel()
	for _, prepared := range []bool{false, true} {
		db := newGORM(t, &gorm.Config{PrepareStmt: prepared})
		ring := newRing(t)
		outside, err := gormstore.New(db, ring, nil)
		if err != nil {
			t.Fatal(err)
		}
		change := errors.New("of mind")
		for _, test := range []struct {
			name   string
			result error
			want   error
		}{{"rolled back", change, store.ErrNotFound}, {"committed", nil, nil}} {
			h := store.Key(test.name)
			err := db.Transaction(func(tx *gorm.DB) error {
				s, err := gormstore.New(tx, ring, nil)
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
				return test.result
			})
			if err != test.result {
				t.Fatal(err)
			}
			if _, err := outside.Get(t.Context(), h); err != test.want {
				t.Errorf("%s: Get %v, want %v", test.name, err, test.want)
			}
		}
	}
}

// TestMigrate_again runs over tables of an earlier and of a later release, and over somebody else's.
func TestMigrate_again(t *testing.T) {
	t.Parallel()
	const rest = "sum BLOB NOT NULL PRIMARY KEY, version BLOB NOT NULL, subject BLOB, due INTEGER, data BLOB NOT NULL"
	tests := []struct{ name, columns, want string }{
		{"the same", "", ""},
		{"earlier", rest, ""},
		{"later", rest + ", written INTEGER NOT NULL DEFAULT 0, tenant TEXT, region TEXT NOT NULL DEFAULT 'eu'", ""},
		{"somebody else's", "id INTEGER PRIMARY KEY, subject TEXT, sum TEXT, due TEXT", "somebody else's"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := newGORM(t, &gorm.Config{})
			s := newGORMStore(t, db, &gormstore.Options{Table: "mine"})
			if test.columns != "" {
				if err := db.Exec("CREATE TABLE mine (" + test.columns + ")").Error; err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				err := s.Migrate(t.Context())
				if test.want != "" {
					if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "gormstore: migrate: ") {
						t.Errorf("error %v, want %q", err, test.want)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				rec, err := s.Put(t.Context(), store.NewCredential("a"), &store.Record{Subject: "user"})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Get(t.Context(), rec.Handle); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestMigrate_missing(t *testing.T) {
	t.Parallel()
	s := newGORMStore(t, newGORM(t, &gorm.Config{}), &gormstore.Options{Table: "not_there"})
	_, err := s.Get(t.Context(), store.Key("a"))
	says(t, err, "get", "no such table")
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), store.Key("a")); err != store.ErrNotFound {
		t.Errorf("after Migrate: %v, want ErrNotFound", err)
	}
}

// TestIndexes: what a refresh does not change is not written, and the planner uses the partial indexes.
func TestIndexes(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	for text, want := range map[string]string{
		"SELECT sum FROM tokenkeep_records WHERE subject = ? AND sum > ? ORDER BY sum LIMIT ?":                                                                                                            "SEARCH tokenkeep_records USING COVERING INDEX tokenkeep_records_subject (subject=? AND sum>?)",
		"SELECT sum, due FROM tokenkeep_records WHERE due <= (CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER) * 1000) AND due >= ? AND (due > ? OR sum > ?) ORDER BY due, sum LIMIT ?": "SEARCH tokenkeep_records USING COVERING INDEX tokenkeep_records_due (due>? AND due<?)",
	} {
		rows, err := s.Writer().Query("EXPLAIN QUERY PLAN " + strings.ReplaceAll(text, "?", "1"))
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		if len(plan) != 1 || plan[0] != want {
			t.Errorf("%s: plan %q, want %q", text, plan, want)
		}
	}
}
