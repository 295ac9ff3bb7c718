// Package gormstore keeps records in a table of the database that an application already reaches through GORM: SQLite,
// PostgreSQL, MySQL or MariaDB. It imports no driver.
//
//	db, err := gorm.Open(postgres.Open(dsn))
//	ring, err := seal.New(key)
//	tokens, err := gormstore.New(db, ring, nil)
//	err = tokens.Migrate(ctx)
//	keep, err := keeper.New(tokens, client, nil)
//
// A program without a database of its own uses [github.com/tokenkeep/tokenkeep/stores/sqlitestore].
//
// # The table
//
// One row per record: sum (the SHA-256 that a handle is found by, the primary key), version, subject (a hash, or
// nothing), due (microseconds since 1970 from when on the row is Sweep's, or nothing), written (the server's clock at
// the last write) and data (the sealed record). Nothing in it can be read without the ring's keys, and no handle can be
// made from it. The columns subject and due are hints for List and Sweep; what the sealed record says decides.
//
// # What it does not share with other uses of GORM
//
// Statements are fixed texts on GORM's connection pool, prepared once; a write is one conditional statement. GORM's
// callbacks, plugins and logger see migrations only, never a row, and reads go to the pool that db was opened with, not
// to a resolver's replicas. A statement that the engine rolled back because of a lock or a deadlock is tried again for
// up to 30 seconds, except in the caller's own transaction:
//
//	err := db.Transaction(func(tx *gorm.DB) error {
//		tokens, err := gormstore.New(tx, ring, nil)
//		…
//	})
//
// A write that a server has been given may go on for a second when its context ends, so that its outcome is known
// instead of left behind.
//
// # Engines
//
// Acknowledged writes survive what the engine's settings promise: PostgreSQL with synchronous_commit on, MySQL and
// MariaDB with innodb_flush_log_at_trx_commit 1, SQLite with synchronous FULL. A standby that is promoted without the
// last commits forgets them, and one that answers reads late is no place to read from. With SQLite, let GORM open the
// database with a busy timeout, or better use sqlitestore.
package gormstore
