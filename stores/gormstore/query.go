package gormstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"gorm.io/gorm"
)

// GORM builds each statement anew by reflection and logs it with its values. The statements here are fixed texts on
// GORM's own connection pool, so its callbacks, its loggers and its plugins never see a row.

// statement is one SQL text, prepared at its first use.
type statement struct {
	text     string
	prepared atomic.Pointer[sql.Stmt]
}

// row is what was read under a sum.
type row struct {
	version store.Version
	data    []byte
	clock   time.Time // the server's
}

// write is what goes into a row.
type write struct {
	sum     *[32]byte
	version store.Version
	subject any
	due     any
	data    []byte
}

// get returns st prepared, nil where the driver or the transaction does without. Preparing belongs to the caller's
// context: waiting for somebody else's would make their cancellation ours.
func (s *Store) stmt(ctx context.Context, st *statement) (*sql.Stmt, error) {
	if s.inTx || !s.dialect.prepare {
		return nil, nil
	}
	if stmt := st.prepared.Load(); stmt != nil {
		return stmt, nil
	}
	stmt, err := s.pool.PrepareContext(ctx, st.text)
	if err != nil {
		return nil, err
	}
	if !st.prepared.CompareAndSwap(nil, stmt) {
		stmt.Close()
	}
	return st.prepared.Load(), nil
}

func (s *Store) query(ctx context.Context, st *statement, args ...any) (*sql.Rows, error) {
	stmt, err := s.stmt(ctx, st)
	switch {
	case err != nil:
		return nil, err
	case stmt != nil:
		return stmt.QueryContext(ctx, args...)
	default:
		return s.pool.QueryContext(ctx, st.text, args...)
	}
}

func (s *Store) execOnce(ctx context.Context, st *statement, args ...any) (sql.Result, error) {
	stmt, err := s.stmt(ctx, st)
	switch {
	case err != nil:
		return nil, err
	case stmt != nil:
		return stmt.ExecContext(ctx, args...)
	default:
		return s.pool.ExecContext(ctx, st.text, args...)
	}
}

// grace is how long a write that is under way may go on when its context has ended.
const grace = time.Second

// settling returns the context to write under. A driver that is told to leave a server's answer alone closes the
// connection, and the server may still carry the write out, after its caller was told that it had failed and has looked
// for it in vain. So a write is given a moment to end; only then the outcome is unknown. SQLite needs none: its statement
// ends within the call.
func (s *Store) settling(ctx context.Context) (context.Context, func()) {
	if !s.dialect.remote || s.inTx || ctx.Done() == nil {
		return ctx, func() {}
	}
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}

// exec runs a statement that answers with a count.
func (s *Store) exec(ctx context.Context, st *statement, args ...any) (int, error) {
	settling, done := s.settling(ctx)
	defer done()
	var r retry
	for {
		n, err := s.count(settling, st, args)
		if !r.again(ctx, s, err) {
			return int(n), err
		}
	}
}

func (s *Store) count(ctx context.Context, st *statement, args []any) (int64, error) {
	if s.local != nil {
		n, _, err := s.local.Together(ctx, st.text, args)
		return n, err
	}
	res, err := s.execOnce(ctx, st, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// put runs an INSERT or UPDATE of one row and reports whether it was written, and the clock's reading then.
func (s *Store) put(ctx context.Context, st *statement, args ...any) (time.Time, bool, error) {
	settling, done := s.settling(ctx)
	defer done()
	var r retry
	for {
		clock, written, err := s.putOnce(settling, st, args)
		if !r.again(ctx, s, err) {
			return clock, written, err
		}
	}
}

func (s *Store) putOnce(ctx context.Context, st *statement, args []any) (time.Time, bool, error) {
	switch {
	case s.local != nil:
		n, at, err := s.local.Together(ctx, st.text, args)
		return ticks(at), n > 0, err
	case s.dialect.returning:
		return s.putReturning(ctx, st, args)
	}
	res, err := s.execOnce(ctx, st, args...)
	if err != nil {
		if s.isDuplicate(err) {
			err = nil
		}
		return time.Time{}, false, err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return time.Time{}, false, err
	}
	clock, err := res.LastInsertId()
	if err == nil && clock == 0 {
		err = errors.New("the database did not tell its clock")
	}
	return time.UnixMicro(clock), true, err
}

// local is what the pool of a database inside this process may offer. Its clock is this process's own, so no statement
// has to ask for it; and no statement is interrupted: they take microseconds, and a driver that listens to a context takes
// half as long again.
type local interface {
	// Pair returns the two blobs that query selects by a key, nil if there are none.
	Pair(query string, key []byte) (a, b []byte, err error)

	// Together carries out one write, in one commit with other callers', and returns when this one is durable: how many
	// rows it changed, and when that was.
	Together(ctx context.Context, query string, args []any) (changed int64, at time.Time, err error)
}

func (s *Store) putReturning(ctx context.Context, st *statement, args []any) (time.Time, bool, error) {
	rows, err := s.query(ctx, st, args...)
	if err != nil {
		return time.Time{}, false, err
	}
	defer rows.Close()
	var clock int64
	n := 0
	for ; rows.Next(); n++ { // to the end: it is the end that says that the write was committed
		if err := rows.Scan(&clock); err != nil {
			return time.Time{}, false, err
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return time.Time{}, false, err
	}
	return time.UnixMicro(clock), n > 0, nil
}

// isDuplicate asks GORM's dialect, which knows its driver's errors.
func (s *Store) isDuplicate(err error) bool {
	t, ok := s.db.Dialector.(gorm.ErrorTranslator)
	return ok && errors.Is(t.Translate(err), gorm.ErrDuplicatedKey)
}

// read returns the row of this sum, nil if there is none.
func (s *Store) read(ctx context.Context, sum *[32]byte) (*row, error) {
	var r retry
	for {
		found, err := s.readOnce(ctx, sum)
		if !r.again(ctx, s, err) {
			return found, err
		}
	}
}

func (s *Store) readOnce(ctx context.Context, sum *[32]byte) (*row, error) {
	if s.local != nil {
		return s.readLocal(sum)
	}
	rows, err := s.query(ctx, s.sql.get, sum[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, errors.Join(rows.Err(), rows.Close())
	}
	var key sql.RawBytes
	found, err := scanRow(rows, &key)
	if err != nil {
		return nil, err
	}
	if !sameSum(key, sum) {
		return nil, errForeignRow
	}
	return found, nil
}

// readLocal reads the clock after the row: what was written before has an earlier time.
func (s *Store) readLocal(sum *[32]byte) (*row, error) {
	version, data, err := s.local.Pair(s.sql.pair.text, sum[:])
	if err != nil || version == nil {
		return nil, err
	}
	return (&row{data: data, clock: ticks(time.Now())}).at(version)
}

// ticks is what SQLite makes of the clock in its statements, so that both tell the same time.
func ticks(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()) }

// maxData bounds what is taken for a sealed record; package seal stops at half of it.
const maxData = 2 << 20

// scanRow reads the columns sum, version, data and clock.
func scanRow(rows *sql.Rows, sum any) (*row, error) {
	var (
		r       row
		version sql.RawBytes
	)
	if err := rows.Scan(sum, &version, &r.data, (*clock)(&r.clock)); err != nil {
		return nil, err
	}
	return r.at(version)
}

// clock scans the server's clock: a time, or microseconds since 1970 in whatever form the driver has them.
type clock time.Time

// Scan implements [sql.Scanner].
func (c *clock) Scan(v any) error {
	if t, is := v.(time.Time); is {
		*c = clock(time.UnixMicro(t.UnixMicro()))
		return nil
	}
	var n sql.NullInt64
	if err := n.Scan(v); err != nil {
		return err
	}
	if !n.Valid {
		return errors.New("the database did not tell its clock")
	}
	*c = clock(time.UnixMicro(n.Int64))
	return nil
}

// at completes a row with its version.
func (r *row) at(version []byte) (*row, error) {
	if len(version) != versionSize || len(r.data) > maxData {
		return nil, fmt.Errorf("malformed row: version of %d bytes, data of %d", len(version), len(r.data))
	}
	r.version = store.Version(version)
	return r, nil
}
