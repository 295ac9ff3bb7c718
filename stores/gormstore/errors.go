package gormstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// errForeignRow is what a driver causes that hands a cancelled query's connection on too early (CVE-2025-47907): the
// answer to somebody else's question. It must not pass for this handle's record, nor for its absence.
var errForeignRow = errors.New("the database answered with another row")

// failure names the operation. A context that is done explains whatever else went wrong, so its cause is wrapped.
func failure(ctx context.Context, op string, err error) error {
	if ctx.Err() == nil {
		return fmt.Errorf("gormstore: %s: %w", op, err)
	}
	cause := context.Cause(ctx)
	if err == nil || errors.Is(err, cause) {
		return fmt.Errorf("gormstore: %s: %w", op, cause)
	}
	return fmt.Errorf("gormstore: %s: %w: %w", op, cause, err)
}

// verdict passes the contract's own errors on as they are and names the operation in all others.
func verdict(op string, err error) error {
	switch err {
	case nil, store.ErrNotFound, store.ErrEnded:
		return err
	default:
		return fmt.Errorf("gormstore: %s: %w", op, err)
	}
}

// patience is how long a statement is tried again that the engine rolled back because others were in its way.
const patience = 30 * time.Second

// retry paces the attempts of one statement. Its zero value is ready.
type retry struct {
	start time.Time
	tries int
}

// again waits and reports whether to try once more. Only errors are retried after which the engine has certainly
// changed nothing, and none in the caller's transaction, which they end.
func (r *retry) again(ctx context.Context, s *Store, err error) bool {
	if err == nil || s.inTx || ctx.Err() != nil || !rolledBack(err) {
		return false
	}
	if r.tries++; r.tries == 1 {
		r.start = time.Now()
	}
	if time.Since(r.start) > patience {
		return false
	}
	wait := time.NewTimer(time.Millisecond<<min(r.tries, 6)/2 + jitter(8*time.Millisecond))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

// rolledBack reports lock conflicts. Drivers are not imported here, so they are told by their code where the error
// offers it and by its text otherwise: PostgreSQL serialization_failure and deadlock_detected, MySQL 1213
// ER_LOCK_DEADLOCK, SQLite BUSY, LOCKED and PROTOCOL.
func rolledBack(err error) bool {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState() == "40001" || coded.SQLState() == "40P01"
	}
	for _, sign := range lockSigns {
		if strings.Contains(err.Error(), sign) {
			return true
		}
	}
	return false
}

var lockSigns = [...]string{"Error 1213", "database is locked", "table is locked", "schema is locked", "locking protocol"}

// jitter returns a duration in [0, most), so that those who met at a lock do not meet again.
func jitter(most time.Duration) time.Duration {
	var b [8]byte
	rand.Read(b[:])
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(max(most, 1)))
}
