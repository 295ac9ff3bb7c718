package issue

import (
	"context"
	"database/sql"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3" // the driver that sqlitestore uses with cgo
)

// statements are prepared on a file that is set up as sqlitestore sets up its own.
type statements struct {
	db   *sql.DB
	stmt map[string]*sql.Stmt
}

func open(dir string, schema []string, texts map[string]string) (*statements, error) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "tokens.db")+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, text := range schema {
		if _, err := db.Exec(text); err != nil {
			return nil, err
		}
	}
	s := &statements{db: db, stmt: map[string]*sql.Stmt{}}
	for name, text := range texts {
		if s.stmt[name], err = db.Prepare(text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *statements) exec(ctx context.Context, name string, args ...any) error {
	_, err := s.stmt[name].ExecContext(ctx, args...)
	return err
}
