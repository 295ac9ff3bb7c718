package sqlitestore

import "database/sql"

// Writer returns the connection that writes, for tests that go behind the store's back.
func (s *Store) Writer() *sql.DB { return s.pool.write }

// Reader returns the connections that read.
func (s *Store) Reader() *sql.DB { return s.pool.read }

// Plain opens a file as an application would that knows nothing of all this.
func Plain(path string) *sql.DB {
	return sql.OpenDB(&connector{dsn: "file:" + uriPath(path), pragmas: []string{"busy_timeout=5000"}})
}
