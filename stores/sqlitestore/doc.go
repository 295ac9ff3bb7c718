// Package sqlitestore keeps records in a SQLite file of its own: the store for a service on one machine, with any
// number of processes.
//
//	ring, err := seal.New(key)
//	tokens, err := sqlitestore.Open("tokens.db", ring, nil)
//	defer tokens.Close()
//	keep, err := keeper.New(tokens, client, nil)
//
// # What Open takes care of
//
// The write-ahead log, so that reads never wait for a write; one connection that writes and several that only read;
// waiting for other processes instead of failing with "database is locked"; immediate transactions; file mode 0600 for
// the database, its log and its index; and the table. What is acknowledged is on the disk: synchronous is FULL unless
// [Options] say otherwise. Writes that arrive during another one share the next commit.
//
// With cgo the driver is github.com/mattn/go-sqlite3, without it modernc.org/sqlite; files are the same.
//
// The path ":memory:" keeps everything in this process's memory, for tests and demonstrations.
//
// Keep the file on a local disk: SQLite's locks and its shared memory do not work across machines.
package sqlitestore
