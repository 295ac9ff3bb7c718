package records

import (
	"gorm.io/gorm"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

const (
	wal     = "?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000&_txlock=immediate"
	walFull = "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&_txlock=immediate"
)

// durable is on the disk when it is acknowledged; loose may lose the last commits when the machine dies.
var (
	durable = []opener{
		{"floor: database/sql + mattn, prepared", measure.Floor, openTable("sqlite3", "FULL")},
		{"tokenkeep: sqlitestore", measure.Ours, openSQLite(false)},
		{"tokenkeep: gormstore, the user's *gorm.DB, WAL", measure.Ours, openGORM(walFull, gorm.Config{})},
		{"GORM defaults (rollback journal)", measure.Peer, openGORMUsual("", gorm.Config{})},
		{"GORM PrepareStmt, WAL", measure.Peer, openGORMUsual(walFull, gorm.Config{PrepareStmt: true})},
	}
	loose = []opener{
		{"floor: database/sql + mattn, prepared", measure.Floor, openTable("sqlite3", "NORMAL")},
		{"floor: the pure-Go driver, prepared", measure.Floor, openTable("sqlite", "NORMAL")},
		{"tokenkeep: sqlitestore, SynchronousNormal", measure.Ours, openSQLite(true)},
		{"tokenkeep: gormstore, the user's *gorm.DB, WAL", measure.Ours, openGORM(wal, gorm.Config{})},
		{"GORM PrepareStmt, WAL", measure.Peer, openGORMUsual(wal, gorm.Config{PrepareStmt: true})},
		{"scs sqlite3store, WAL", measure.Peer, openSCSSQLite},
		{"gin-contrib/sessions GORM store, WAL", measure.Peer, openGin},
	}
	inMemory = []opener{
		{"floor: SHA-256, sharded map", measure.Floor, openMap},
		{"tokenkeep: memstore", measure.Ours, openMemstore},
		{"go-oauth2 memory store", measure.Peer, openGoOAuth2},
		{"scs memstore, with its codec", measure.Peer, openSCSMemory},
	}
)

// SQLite are the jobs on a file.
func SQLite(n int) []measure.Row {
	defaults := durable[3] // for loads durability makes no difference, the journal does
	out := rows("sqlite/load", loading, n, append(append([]opener{}, loose...), defaults))
	out = append(out, rows("sqlite/save, durable", saving, n, durable)...)
	out = append(out, rows("sqlite/save, durable, 32 callers", savingAtOnce, n, durable)...)
	out = append(out, rows("sqlite/replace, durable", replacing, n, durable)...)
	out = append(out, rows("sqlite/save, not durable", saving, n, loose)...)
	return append(out, rows("sqlite/replace, not durable", replacing, n, loose)...)
}

// Memory are the jobs in this process.
func Memory(n int) []measure.Row {
	out := rows("memory/load", loading, n, inMemory)
	out = append(out, rows("memory/save", saving, n, inMemory)...)
	return append(out, rows("memory/replace", replacing, n, inMemory)...)
}

// Grown is one of ours doing a job ("load" or "replace") on n records.
func Grown(table, name, where, doing string, n int) measure.Row {
	j := map[string]job{"load": loading, "replace": replacing}[doing]
	open := map[string]func(string) (engine, error){
		"memstore": openMemstore, "sqlitestore": openSQLite(true), "PostgreSQL": openServer(Postgres), "MariaDB": openServer(MySQL), "Redis": openRedis,
	}[where]
	return rows(table, j, n, []opener{{name, measure.Ours, open}})[0]
}
