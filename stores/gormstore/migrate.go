package gormstore

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"
)

// Migrate creates the table and its indexes, or adds what a table of an earlier release lacks. It changes and removes
// nothing else, so programs of the release before keep working; it may run again at any time, and at once in any
// number of processes. The database user needs the right to create tables only for this.
func (s *Store) Migrate(ctx context.Context) error {
	var r retry
	for {
		err := s.migrate(ctx)
		if err == nil {
			return nil
		}
		if !r.again(ctx, s, err) {
			return failure(ctx, "migrate", err)
		}
	}
}

func (s *Store) migrate(ctx context.Context) error {
	db := s.db.Session(&gorm.Session{NewDB: true, Context: ctx})
	if s.dialect.lock == "" {
		return s.build(db)
	}
	return db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Exec(s.dialect.lock).Error; err != nil {
			return err
		}
		return s.build(tx)
	})
}

func (s *Store) build(db *gorm.DB) error {
	for _, text := range s.dialect.create {
		if err := db.Exec(render(s.db, s.dialect, s.table, text)).Error; err != nil {
			return err
		}
	}
	have, err := s.columns(db)
	if err != nil {
		return err
	}
	if !slices.Contains(have, "written") {
		err := db.Exec(render(s.db, s.dialect, s.table, s.dialect.add)).Error
		if have, _ = s.columns(db); !slices.Contains(have, "written") { // else another process was faster
			return err
		}
	}
	for _, name := range []string{"sum", "version", "subject", "due", "data"} {
		if !slices.Contains(have, name) {
			return fmt.Errorf("table %q has no column %q: it is somebody else's", s.table, name)
		}
	}
	return nil
}

func (s *Store) columns(db *gorm.DB) ([]string, error) {
	rows, err := db.Raw(render(s.db, s.dialect, s.table, `SELECT * FROM ?T WHERE 1 = 0`)).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return rows.Columns()
}
