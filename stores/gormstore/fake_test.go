package gormstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/utils/tests"
)

// server is a database that answers as it is told: these tests are about what a real one does on bad days only. What it
// does on good ones is tested where its driver may be imported.
type server struct {
	mu    sync.Mutex
	texts []string
	// answer returns the rows of a query, or the rows affected and the last id of a statement that has none.
	answer func(text string, args []driver.NamedValue) (rows [][]driver.Value, result [2]int64, err error)
}

func (s *server) run(ctx context.Context, text string, args []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, [2]int64{}, err
	}
	s.mu.Lock()
	s.texts = append(s.texts, text)
	answer := s.answer
	s.mu.Unlock()
	found, res, err := answer(text, args)
	if ctx.Err() != nil { // ended meanwhile: as a driver that closes the connection
		return nil, [2]int64{}, ctx.Err()
	}
	return found, res, err
}

// sent returns the statements so far, each once.
func (s *server) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var once []string
	seen := map[string]bool{}
	for _, text := range s.texts {
		if !seen[text] {
			once = append(once, text)
		}
		seen[text] = true
	}
	return once
}

// Connect, Driver and so on implement the interfaces of database/sql/driver.
func (s *server) Connect(context.Context) (driver.Conn, error) { return &conn{s}, nil }
func (s *server) Driver() driver.Driver                        { return nil }

type conn struct{ *server }

func (c *conn) Prepare(text string) (driver.Stmt, error) { return &stmt{c, text}, nil }
func (c *conn) Close() error                             { return nil }
func (c *conn) Begin() (driver.Tx, error)                { return c, nil }
func (c *conn) Commit() error                            { return nil }
func (c *conn) Rollback() error                          { return nil }

type stmt struct {
	*conn
	text string
}

func (s *stmt) Close() error                               { return nil }
func (s *stmt) NumInput() int                              { return -1 }
func (s *stmt) Exec([]driver.Value) (driver.Result, error) { panic("not used") }
func (s *stmt) Query([]driver.Value) (driver.Rows, error)  { panic("not used") }

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	_, res, err := s.run(ctx, s.text, args)
	return result(res), err
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	all, _, err := s.run(ctx, s.text, args)
	if err != nil {
		return nil, err
	}
	width := 1
	if len(all) > 0 {
		width = len(all[0])
	}
	return &rows{all, width}, nil
}

type result [2]int64

func (r result) RowsAffected() (int64, error) { return r[0], nil }
func (r result) LastInsertId() (int64, error) { return r[1], nil }

type rows struct {
	left  [][]driver.Value
	width int
}

func (r *rows) Columns() []string { return make([]string, r.width) }
func (r *rows) Close() error      { return nil }
func (r *rows) Next(dest []driver.Value) error {
	if len(r.left) == 0 {
		return io.EOF
	}
	if err, ok := r.left[0][0].(error); ok { // as when a commit fails
		return err
	}
	copy(dest, r.left[0])
	r.left = r.left[1:]
	return nil
}

// dialector is GORM's dummy under the name of a real one.
type dialector struct {
	tests.DummyDialector
	name string
	conn gorm.ConnPool
}

func (d dialector) Name() string { return d.name }

func (d dialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.conn
	return d.DummyDialector.Initialize(db)
}

func (d dialector) BindVarTo(w clause.Writer, s *gorm.Statement, _ any) {
	if d.name == "postgres" {
		fmt.Fprintf(asWriter{w}, "$%d", len(s.Vars))
		return
	}
	w.WriteByte('?')
}

func (d dialector) Translate(err error) error {
	if strings.Contains(err.Error(), "Duplicate entry") {
		return gorm.ErrDuplicatedKey
	}
	return err
}

type asWriter struct{ clause.Writer }

func (w asWriter) Write(b []byte) (int, error) { return w.WriteString(string(b)) }

var dialects = []string{"sqlite", "postgres", "mysql"}

func openFake(t *testing.T, dialect string, s *server, log logger.Interface) *gorm.DB {
	t.Helper()
	pool := sql.OpenDB(s)
	t.Cleanup(func() { pool.Close() })
	if log == nil {
		log = logger.Discard
	}
	db, err := gorm.Open(dialector{name: dialect, conn: pool}, &gorm.Config{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func newRing(t *testing.T) *seal.Ring {
	t.Helper()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func newFake(t *testing.T, dialect string, s *server) *gormstore.Store {
	t.Helper()
	tokens, err := gormstore.New(openFake(t, dialect, s, nil), newRing(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}
