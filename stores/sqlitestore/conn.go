package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// conn is a connection that keeps statements of its own, for the calls that are made with every request: what
// database/sql does around a statement takes a quarter of the time that a read takes. It lends the connections still.
type conn struct {
	driverConn
	stmts map[string]driverStmt

	// What pair passes to the driver and back, so that not each call allocates it.
	key [1]driver.NamedValue
	row [2]driver.Value
}

// driverConn is what both drivers' connections can do.
type driverConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

// driverStmt is what both drivers' statements can do.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func newConn(c driver.Conn) (*conn, error) {
	able, ok := c.(driverConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T is no connection to SQLite", c), c.Close())
	}
	return &conn{driverConn: able, stmts: map[string]driverStmt{}}, nil
}

// Close implements driver.Conn. SQLite keeps a file open until the last statement has gone.
func (c *conn) Close() error {
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, c.driverConn.Close())...)
}

// borrow has use work with one of db's connections, which is nobody else's meanwhile.
func borrow(ctx context.Context, db *sql.DB, use func(*conn) error) error {
	lent, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer lent.Close()
	return lent.Raw(func(c any) error { return use(c.(*conn)) })
}

// stmt returns the query prepared, from its first use on.
func (c *conn) stmt(query string) (driverStmt, error) {
	if st := c.stmts[query]; st != nil {
		return st, nil
	}
	prepared, err := c.Prepare(query)
	if err != nil {
		return nil, err
	}
	st, ok := prepared.(driverStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T is no statement of SQLite", prepared), prepared.Close())
	}
	c.stmts[query] = st
	return st, nil
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(query string, args ...any) (int64, error) {
	st, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(context.Background(), named(args))
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// rollBack ends the transaction. It fails where there is none, because the engine has undone it already.
func (c *conn) rollBack() { _, _ = c.exec("ROLLBACK") }

// pair returns the two blobs of the query's first row, nil if there is none.
func (c *conn) pair(query string, key []byte) (a, b []byte, err error) {
	st, err := c.stmt(query)
	if err != nil {
		return nil, nil, err
	}
	c.key[0], c.row = driver.NamedValue{Ordinal: 1, Value: key}, [2]driver.Value{}
	rows, err := st.QueryContext(context.Background(), c.key[:])
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	switch err := rows.Next(c.row[:]); {
	case err == io.EOF:
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return blob(c.row[0]), blob(c.row[1]), nil
}

// blob returns what stands in a column of blobs, never nil. SQLite lets anything stand there: what is neither bytes nor
// text is none of ours, and as good as nothing.
func blob(v driver.Value) []byte {
	if b, is := v.([]byte); is && b != nil {
		return b
	}
	text, _ := v.(string)
	return []byte(text)
}

// named passes arguments on as they are: they have a driver's types already.
func named(args []any) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return out
}
