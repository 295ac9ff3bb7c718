package gormstore_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
)

var (
	errDown      = errors.New("connection refused")
	errDuplicate = errors.New("Error 1062 (23000): Duplicate entry")
)

// operations are all ways to call a store, each with texts that no error may hold.
func operations() map[string]func(context.Context, *gormstore.Store) error {
	h := store.Credential("session", "secret-text")
	rec := &store.Record{Subject: "secret-subject", Token: store.Token{AccessToken: "secret-token"}}
	put := func(v store.Version) func(context.Context, *gormstore.Store) error {
		return func(ctx context.Context, s *gormstore.Store) error {
			at := rec.Clone()
			at.Version = v
			_, err := s.Put(ctx, h, at)
			return err
		}
	}
	return map[string]func(context.Context, *gormstore.Store) error{
		"get": func(ctx context.Context, s *gormstore.Store) error {
			_, err := s.Get(ctx, h)
			return err
		},
		"put: create":  put(""),
		"put: replace": put("some version"),
		"delete":       func(ctx context.Context, s *gormstore.Store) error { return s.Delete(ctx, h, "") },
		"delete: at":   func(ctx context.Context, s *gormstore.Store) error { return s.Delete(ctx, h, "v") },
		"list": func(ctx context.Context, s *gormstore.Store) error {
			_, _, err := s.List(ctx, "secret-subject", "", 10)
			return err
		},
		"sweep": func(ctx context.Context, s *gormstore.Store) error {
			_, err := s.Sweep(ctx, 10, func(context.Context, *store.Record) error { return nil })
			return err
		},
		"migrate": func(ctx context.Context, s *gormstore.Store) error { return s.Migrate(ctx) },
	}
}

// checkFailure sees that err names the operation, holds no secret and says nothing about the record.
func checkFailure(t *testing.T, op string, err, cause error) {
	t.Helper()
	for _, sentinel := range []error{store.ErrNotFound, store.ErrEnded, store.ErrExists, store.ErrConflict, errors.ErrUnsupported} {
		if errors.Is(err, sentinel) {
			t.Fatalf("%v: %v is a statement about the record", op, err)
		}
	}
	switch word, _, _ := strings.Cut(op, ":"); {
	case err == nil:
		t.Fatalf("%s: no error", op)
	case !strings.HasPrefix(err.Error(), "gormstore: "+word+": "):
		t.Errorf("%s: error %q does not name the operation", op, err)
	case strings.Contains(err.Error(), "secret"):
		t.Errorf("%s: error %q tells a secret", op, err)
	case !errors.Is(err, cause):
		t.Errorf("%s: error %q does not wrap %q", op, err, cause)
	}
}

func TestErrors_unavailable(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		for op, call := range operations() {
			t.Run(dialect+"/"+op, func(t *testing.T) {
				t.Parallel()
				s := newFake(t, dialect, &server{answer: func(string, []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
					return nil, [2]int64{}, errDown
				}})
				checkFailure(t, op, call(t.Context(), s), errDown)
			})
		}
	}
}

// TestErrors_unavailableLater lets the first statement pass and fails the one that asks why nothing was written.
func TestErrors_unavailableLater(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		for _, op := range []string{"put: create", "put: replace"} {
			t.Run(dialect+"/"+op, func(t *testing.T) {
				t.Parallel()
				s := newFake(t, dialect, &server{answer: func(text string, _ []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
					switch {
					case strings.HasPrefix(text, "SELECT"):
						return nil, [2]int64{}, errDown
					case dialect == "mysql" && strings.HasPrefix(text, "INSERT"):
						return nil, [2]int64{}, errDuplicate
					default:
						return nil, [2]int64{}, nil
					}
				}})
				checkFailure(t, op, operations()[op](t.Context(), s), errDown)
			})
		}
	}
}

// TestErrors_commit fails a write when its row has been answered already, as a deferred commit does.
func TestErrors_commit(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"sqlite", "postgres"} {
		for _, op := range []string{"put: create", "put: replace"} {
			t.Run(dialect+"/"+op, func(t *testing.T) {
				t.Parallel()
				s := newFake(t, dialect, &server{answer: func(string, []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
					return [][]driver.Value{{int64(1)}, {errDown}}, [2]int64{}, nil
				}})
				checkFailure(t, op, operations()[op](t.Context(), s), errDown)
			})
		}
	}
}

func TestErrors_contextDone(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		for op, call := range operations() {
			t.Run(dialect+"/"+op, func(t *testing.T) {
				t.Parallel()
				cause := errors.New("the user left")
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(cause)
				s := newFake(t, dialect, &server{answer: func(string, []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
					t.Error("a statement was sent")
					return nil, [2]int64{}, nil
				}})
				checkFailure(t, op, call(ctx, s), cause)
			})
		}
	}
}

// TestErrors_rows answers reads with rows that are none of ours.
func TestErrors_rows(t *testing.T) {
	t.Parallel()
	sum := store.Credential("session", "secret-text").Sum()
	other := store.Key("another").Sum()
	version := []byte("123456789012345678901234")
	tests := []struct {
		name string
		row  []driver.Value
		want string
	}{
		{"another row", []driver.Value{other[:], version, []byte("x"), int64(1)}, "another row"},
		{"no sum", []driver.Value{nil, version, []byte("x"), int64(1)}, "another row"},
		{"prefix of the sum", []driver.Value{sum[:31], version, []byte("x"), int64(1)}, "another row"},
		{"short version", []driver.Value{sum[:], version[:23], []byte("x"), int64(1)}, "malformed row"},
		{"no version", []driver.Value{sum[:], nil, []byte("x"), int64(1)}, "malformed row"},
		{"huge", []driver.Value{sum[:], version, make([]byte, 3<<20), int64(1)}, "malformed row"},
		{"no clock", []driver.Value{sum[:], version, []byte("x"), nil}, "Scan"},
		{"no number", []driver.Value{sum[:], version, []byte("x"), "soon"}, "Scan"},
	}
	for _, test := range tests {
		for _, dialect := range dialects {
			t.Run(test.name+"/"+dialect, func(t *testing.T) {
				t.Parallel()
				s := newFake(t, dialect, &server{answer: func(string, []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
					return [][]driver.Value{test.row}, [2]int64{}, nil
				}})
				err := operations()["get"](t.Context(), s)
				checkFailure(t, "get", err, err)
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %q, want %q", err, test.want)
				}
			})
		}
	}
}

// coded is an error as pgx makes them.
type coded string

func (c coded) Error() string    { return "some text" }
func (c coded) SQLState() string { return string(c) }

func TestRetry(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		err   error
		again bool
	}{
		{"deadlock on PostgreSQL", coded("40P01"), true},
		{"serialization on PostgreSQL", coded("40001"), true},
		{"disk full on PostgreSQL", coded("53100"), false},
		{"deadlock on MySQL", errors.New("Error 1213 (40001): Deadlock found when trying to get lock"), true},
		{"lock wait on MySQL", errors.New("Error 1205 (HY000): Lock wait timeout exceeded"), false},
		{"busy", errors.New("database is locked"), true},
		{"busy, pure Go", errors.New("database is locked (5) (SQLITE_BUSY)"), true},
		{"recovering", errors.New("locking protocol"), true},
		{"disk full on SQLite", errors.New("database or disk is full"), false},
		{"other", errDown, false},
	}
	for _, test := range tests {
		for op, call := range operations() {
			if op == "migrate" {
				continue // it has several statements, and is tested on engines
			}
			t.Run(test.name+"/"+op, func(t *testing.T) {
				t.Parallel()
				fails := 3
				db := &server{}
				db.answer = func(text string, _ []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
					if fails--; fails >= 0 {
						return nil, [2]int64{}, test.err
					}
					if strings.Contains(text, "RETURNING") {
						return [][]driver.Value{{int64(1)}}, [2]int64{}, nil
					}
					return nil, [2]int64{}, nil
				}
				err := call(t.Context(), newFake(t, "sqlite", db))
				if test.again && errors.Is(err, test.err) {
					t.Errorf("error %v, want it to be tried again", err)
				}
				if !test.again {
					checkFailure(t, op, err, test.err)
				}
			})
		}
	}
}

// TestRetry_transaction: the engine has ended the caller's transaction, so nothing may be tried again in it.
func TestRetry_transaction(t *testing.T) {
	t.Parallel()
	busy := errors.New("database is locked")
	var calls int
	db := openFake(t, "sqlite", &server{answer: func(string, []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
		calls++
		return nil, [2]int64{}, busy
	}}, nil)
	tx := db.Begin()
	defer tx.Rollback()
	s, err := gormstore.New(tx, newRing(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(t.Context(), store.Key("a"))
	checkFailure(t, "get", err, busy)
	if calls != 1 {
		t.Errorf("%d attempts, want 1", calls)
	}
}
