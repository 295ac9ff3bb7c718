package sqlitestore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const memory = ":memory:"

// pool is the connections: one that writes, so that this process never competes with itself for SQLite's one write
// lock, and several that read beside it. It is a gorm.ConnPool that tells them apart by the statement.
type pool struct {
	write, read *sql.DB
	hold        *sql.Conn // what keeps a database in memory alive
}

// filePool is the pool of a file. It offers gormstore what a database in this process can do better than by statements
// on a gorm.ConnPool.
type filePool struct {
	*pool
	group group
}

// Pair returns the two blobs that query selects by a key, nil if there are none. It is not interrupted: it takes
// microseconds, and a driver that listens to a context takes half as long again.
func (p *filePool) Pair(query string, key []byte) (a, b []byte, err error) {
	db := p.read
	if p.write.Stats().InUse == 0 && p.group.enter() {
		// Nobody writes just now. The writer has the pages of the last commit at hand, while a reader that finds a new
		// commit reads all of its pages again.
		db = p.write
		defer p.next()
	}
	var row struct{ a, b []byte }
	err = borrow(context.Background(), db, func(c *conn) (err error) {
		row.a, row.b, err = c.pair(query, key)
		return err
	})
	return row.a, row.b, err
}

func newPool(ctx context.Context, path string, o *Options) (*pool, error) {
	level := "FULL"
	if o.SynchronousNormal {
		level = "NORMAL"
	}
	if path == memory {
		// The memdb VFS shares one database between connections, until the last one goes.
		dsn := "file:/" + rand.Text() + "?vfs=memdb&_txlock=immediate"
		p := &pool{write: sql.OpenDB(&connector{dsn: dsn, pragmas: []string{"busy_timeout=10000"}})}
		p.read = p.write
		limit(p.write, 2)
		var err error
		if p.hold, err = p.write.Conn(ctx); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		return p, nil
	}
	dsn := "file:" + uriPath(path) + "?_txlock=immediate"
	p := &pool{
		write: sql.OpenDB(&connector{dsn: dsn, pragmas: []string{
			// A write is tried again beyond this, and sees in between whether its caller still waits.
			"busy_timeout=250", "journal_mode=WAL", "synchronous=" + level, "journal_size_limit=67108864",
		}}),
		read: sql.OpenDB(&connector{dsn: dsn, pragmas: []string{"busy_timeout=10000", "query_only=1"}}),
	}
	limit(p.write, 1)
	limit(p.read, max(4, runtime.GOMAXPROCS(0)))
	var mode string
	err := p.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	if err == nil && mode != "wal" {
		err = fmt.Errorf("journal mode is %q, want wal: is this a local disk?", mode)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// limit has a pool keep n connections for ever: opening one costs more than a hundred queries.
func limit(db *sql.DB, n int) {
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
}

func (p *pool) of(query string) *sql.DB {
	if strings.HasPrefix(query, "SELECT ") {
		return p.read
	}
	return p.write
}

// PrepareContext implements gorm.ConnPool.
func (p *pool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return p.of(query).PrepareContext(ctx, query)
}

// ExecContext implements gorm.ConnPool.
func (p *pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return p.of(query).ExecContext(ctx, query, args...)
}

// QueryContext implements gorm.ConnPool.
func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return p.of(query).QueryContext(ctx, query, args...)
}

// QueryRowContext implements gorm.ConnPool.
func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return p.of(query).QueryRowContext(ctx, query, args...)
}

// BeginTx implements gorm.TxBeginner.
func (p *pool) BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	return p.write.BeginTx(ctx, o)
}

// GetDBConn implements gorm.GetDBConnector.
func (p *pool) GetDBConn() (*sql.DB, error) { return p.write, nil }

// Close closes the readers first, so that the writer, as the last one, folds the log into the file.
func (p *pool) Close() error {
	var errs []error
	if p.hold != nil {
		errs = append(errs, p.hold.Close())
	}
	if p.read != p.write {
		errs = append(errs, p.read.Close())
	}
	return errors.Join(append(errs, p.write.Close())...)
}

// connector opens connections and sets them up.
type connector struct {
	dsn     string
	pragmas []string
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return sqliteDriver }

// Connect implements driver.Connector. The change to a write-ahead log does not wait for other processes as other statements do, so it is
// tried again here.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	for {
		conn, err := c.connect(ctx)
		if err == nil || !strings.Contains(err.Error(), "locked") {
			return conn, err
		}
		wait := time.NewTimer(5 * time.Millisecond)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-wait.C:
		}
	}
}

func (c *connector) connect(ctx context.Context) (driver.Conn, error) {
	opened, err := sqliteDriver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	conn, err := newConn(opened)
	if err != nil {
		return nil, err
	}
	for _, p := range c.pragmas {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+p, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// uriPath writes a path as SQLite's URIs want it (https://sqlite.org/uri.html section 3.1).
func uriPath(path string) string {
	slashed := filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		slashed = "/" + slashed
	}
	return (&url.URL{Path: slashed}).EscapedPath()
}
