package gormstore_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"log"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// silent finds nothing and writes nothing.
func silent(string, []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
	return nil, [2]int64{}, nil
}

func TestNew_faults(t *testing.T) {
	t.Parallel()
	db := openFake(t, "oracle", &server{answer: silent}, nil)
	broken := db.Session(&gorm.Session{})
	broken.AddError(errDown)
	tests := []struct {
		name  string
		db    *gorm.DB
		table string
		want  []string
	}{
		{"nothing", nil, "", []string{"no database", "no ring"}},
		{"zero database", &gorm.DB{}, "", []string{"no database", "no ring"}},
		{"dialect", db, "", []string{`dialect "oracle"`, "no ring"}},
		{"error in the handle", broken, "", []string{"connection refused", "no ring"}},
		{"table: quote", db, "a`b", []string{`Table is "a` + "`" + `b"`, "no ring", "oracle"}},
		{"table: schema", db, "a.b", []string{`Table is "a.b"`}},
		{"table: digit first", db, "1a", []string{`Table is "1a"`}},
		{"table: too long", db, strings.Repeat("a", 49), []string{"Table is"}},
		{"table: line feed", db, "a\n", []string{"Table is"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := gormstore.New(test.db, nil, &gormstore.Options{Table: test.table})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestNew_sendsNothing(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		db := &server{answer: silent}
		newFake(t, dialect, db)
		if sent := db.sent(); len(sent) > 0 {
			t.Errorf("%s: %q", dialect, sent)
		}
	}
}

// written has written whatever was asked for, at the first microsecond.
func written(text string, _ []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
	if strings.HasPrefix(text, "SELECT") {
		return nil, [2]int64{}, nil
	}
	return [][]driver.Value{{int64(1)}}, [2]int64{1, 1}, nil
}

// exercise calls everything but Migrate, on a silent server at first.
func exercise(t *testing.T, s *gormstore.Store, db *server) {
	t.Helper()
	for op, call := range operations() {
		if op == "migrate" {
			continue
		}
		if err := call(t.Context(), s); err != nil && !errors.Is(err, store.ErrNotFound) && !strings.Contains(err.Error(), "kept changing") {
			t.Errorf("%s: %v", op, err)
		}
	}
	db.mu.Lock()
	db.answer = written
	db.mu.Unlock()
	rec := &store.Record{Subject: "secret-subject", Token: store.Token{AccessToken: "secret-token"}}
	for range 2 {
		var err error
		if rec, err = s.Put(t.Context(), store.Key("a"), rec); err != nil {
			t.Error(err)
		}
	}
}

// TestStatements reads what is sent: each write is one statement that names its row and its condition.
func TestStatements(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			db := &server{answer: silent}
			exercise(t, newFake(t, dialect, db), db)
			var selects, writes int
			for _, text := range db.sent() {
				upper := strings.ToUpper(text)
				for _, banned := range []string{"DO UPDATE", "REPLACE INTO", "INSERT OR", "ON DUPLICATE", "IGNORE", "MERGE", "BEGIN", "COMMIT"} {
					if strings.Contains(upper, banned) {
						t.Errorf("%s in %q", banned, text)
					}
				}
				if !strings.Contains(text, "`tokenkeep_records`") {
					t.Errorf("no table, or not quoted, in %q", text)
				}
				switch verb, _, _ := strings.Cut(text, " "); verb {
				case "SELECT":
					selects++
				case "INSERT":
					writes++
				case "UPDATE":
					writes++
					if !strings.Contains(text, "WHERE sum = ") || !strings.Contains(text, "AND version = ") {
						t.Errorf("unconditional: %q", text)
					}
				case "DELETE":
					writes++
					if !strings.Contains(text, "WHERE sum = ") {
						t.Errorf("unconditional: %q", text)
					}
				default:
					t.Errorf("unexpected: %q", text)
				}
			}
			if selects != 3 || writes != 5 {
				t.Errorf("%d reads and %d writes, want 3 and 5: %q", selects, writes, db.sent())
			}
		})
	}
}

// TestLogger has GORM log everything it can, values included: of rows it gets to see nothing.
func TestLogger(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			var lines bytes.Buffer
			loud := logger.New(log.New(&lines, "", 0), logger.Config{LogLevel: logger.Info})
			db := &server{answer: silent}
			s, err := gormstore.New(openFake(t, dialect, db, loud), newRing(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			exercise(t, s, db)
			if lines.Len() > 0 {
				t.Errorf("logged: %s", lines.String())
			}
			s.Migrate(t.Context()) // which the silent server does not let finish
			if !strings.Contains(lines.String(), "CREATE TABLE") {
				t.Errorf("a migration is to be logged; got %q", lines.String())
			}
		})
	}
}

// TestSettle: a remote server's write may outlive its context a little, so that its outcome is known.
func TestSettle(t *testing.T) {
	t.Parallel()
	for dialect, want := range map[string]bool{"sqlite": false, "postgres": true, "mysql": true} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			db := &server{answer: func(text string, args []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
				cancel()
				return written(text, args)
			}}
			rec, err := newFake(t, dialect, db).Put(ctx, store.Key("a"), &store.Record{})
			switch {
			case want && (err != nil || rec == nil):
				t.Errorf("Put: %v, want its success to be told", err)
			case !want && !errors.Is(err, context.Canceled):
				t.Errorf("Put: %v, want it to wrap the cause", err)
			}
		})
	}
}
