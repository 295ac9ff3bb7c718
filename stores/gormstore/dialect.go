package gormstore

import (
	"cmp"
	"regexp"
	"strings"

	"gorm.io/gorm"
)

// dialect is what an engine does in its own way.
type dialect struct {
	// clock is the server's clock in microseconds since 1970, the same throughout a statement: an index can be compared
	// with it, and a replica of a statement sees the same.
	clock string

	// told is the clock as a read asks for it, if the engine tells its own type of time faster than a number.
	told string

	// returning: a write answers with the clock in a RETURNING clause. Else LAST_INSERT_ID(clock) carries it in the
	// write's own answer, and a duplicate is an error.
	returning bool

	// prepare: the driver keeps no statements of its own. (pgx does, unless its user chose the simple protocol for the
	// sake of a pooler, which is then respected.)
	prepare bool

	// remote: a statement may outlive the call that sent it.
	remote bool

	// lock serializes migrations where IF NOT EXISTS alone races.
	lock string

	create []string // of table ?T and its indexes ?S and ?D
	add    string   // the column that a table of an earlier layout may lack
}

var dialects = map[string]*dialect{
	"sqlite": {
		// julianday counts in milliseconds; rounding recovers them.
		clock:     `(CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER) * 1000)`,
		returning: true,
		prepare:   true,
		create: []string{
			`CREATE TABLE IF NOT EXISTS ?T (sum BLOB NOT NULL PRIMARY KEY, version BLOB NOT NULL, subject BLOB, due INTEGER, ` +
				`written INTEGER NOT NULL DEFAULT 0, data BLOB NOT NULL)`,
			`CREATE INDEX IF NOT EXISTS ?S ON ?T (subject, sum) WHERE subject IS NOT NULL`,
			`CREATE INDEX IF NOT EXISTS ?D ON ?T (due, sum) WHERE due IS NOT NULL`,
		},
		add: `ALTER TABLE ?T ADD COLUMN written INTEGER NOT NULL DEFAULT 0`,
	},
	"postgres": {
		clock:     `(extract(epoch from statement_timestamp()) * 1000000)::bigint`,
		told:      `statement_timestamp()`,
		returning: true,
		remote:    true,
		lock:      `SELECT pg_advisory_xact_lock(8390042714202924400)`, // "tokenkep" in ASCII, so that it is nobody else's
		create: []string{
			`CREATE TABLE IF NOT EXISTS ?T (sum bytea NOT NULL PRIMARY KEY, version bytea NOT NULL, subject bytea, ` +
				`due bigint, written bigint NOT NULL DEFAULT 0, data bytea NOT NULL)`,
			`ALTER TABLE ?T ALTER COLUMN data SET STORAGE EXTERNAL`, // sealed bytes do not compress
			`CREATE INDEX IF NOT EXISTS ?S ON ?T (subject, sum) WHERE subject IS NOT NULL`,
			`CREATE INDEX IF NOT EXISTS ?D ON ?T (due, sum) WHERE due IS NOT NULL`,
		},
		add: `ALTER TABLE ?T ADD COLUMN written bigint NOT NULL DEFAULT 0`,
	},
	"mysql": {
		clock:   `TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))`,
		prepare: true,
		remote:  true,
		create: []string{
			// BINARY is compared byte by byte. InnoDB by name: MyISAM is not atomic.
			`CREATE TABLE IF NOT EXISTS ?T (sum BINARY(32) NOT NULL PRIMARY KEY, version BINARY(24) NOT NULL, ` +
				`subject BINARY(32) NULL, due BIGINT NULL, written BIGINT NOT NULL DEFAULT 0, data MEDIUMBLOB NOT NULL, ` +
				`KEY ?S (subject, sum), KEY ?D (due, sum)) ENGINE=InnoDB`,
		},
		add: `ALTER TABLE ?T ADD COLUMN written BIGINT NOT NULL DEFAULT 0`,
	},
}

var validTable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,47}$`).MatchString

// purgeBatch is how many rows one statement of a sweep removes.
const purgeBatch = 32

// statements are the store's SQL texts, built once.
type statements struct {
	get, pair, insert, replace, replaceData, remove, removeVersion *statement // by sum
	list, due, purge                                               *statement
}

func newStatements(db *gorm.DB, d *dialect, table string, local bool) statements {
	written, answer := "?C", " RETURNING written"
	unlessThere := " ON CONFLICT (sum) DO NOTHING"
	switch {
	case local:
		answer = ""
	case !d.returning:
		written, answer, unlessThere = "LAST_INSERT_ID(?C)", "", ""
	}
	stmt := func(text string) *statement { return &statement{text: render(db, d, table, text)} }
	return statements{
		get:  stmt(`SELECT sum, version, data, ?N FROM ?T WHERE sum = ?`),
		pair: stmt(`SELECT version, data FROM ?T WHERE sum = ?`),
		insert: stmt(`INSERT INTO ?T (sum, version, subject, due, data, written) VALUES (?, ?, ?, ?, ?, ` + written + `)` +
			unlessThere + answer),
		replace: stmt(`UPDATE ?T SET version = ?, subject = ?, due = ?, data = ?, written = ` + written +
			` WHERE sum = ? AND version = ?` + answer),
		replaceData: stmt(`UPDATE ?T SET version = ?, data = ?, written = ` + written +
			` WHERE sum = ? AND version = ?` + answer),
		remove:        stmt(`DELETE FROM ?T WHERE sum = ?`),
		removeVersion: stmt(`DELETE FROM ?T WHERE sum = ? AND version = ?`),

		list: stmt(`SELECT sum, version, data, ?N FROM ?T WHERE subject = ? AND sum > ? ORDER BY sum LIMIT ?`),
		due: stmt(`SELECT sum, due FROM ?T WHERE due <= ?C AND due >= ? AND (due > ? OR sum > ?)` +
			` ORDER BY due, sum LIMIT ?`),
		purge: stmt(`DELETE FROM ?T WHERE (sum = ? AND version = ?)` +
			strings.Repeat(` OR (sum = ? AND version = ?)`, purgeBatch-1)),
	}
}

// render fills in the names and has the dialect write its own placeholders: ?T is the table, ?S and ?D its indexes, ?C
// the clock, ?N the clock as a read asks for it, and a lone ? an argument.
func render(db *gorm.DB, d *dialect, table, text string) string {
	var b strings.Builder
	stmt := &gorm.Statement{DB: db}
	for {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		switch text = after; {
		case strings.HasPrefix(text, "T"):
			db.Dialector.QuoteTo(&b, table)
		case strings.HasPrefix(text, "S"):
			db.Dialector.QuoteTo(&b, table+"_subject")
		case strings.HasPrefix(text, "D"):
			db.Dialector.QuoteTo(&b, table+"_due")
		case strings.HasPrefix(text, "C"):
			b.WriteString(d.clock)
		case strings.HasPrefix(text, "N"):
			b.WriteString(cmp.Or(d.told, d.clock))
		default:
			stmt.Vars = append(stmt.Vars, nil)
			db.Dialector.BindVarTo(&b, stmt, nil)
			continue
		}
		text = text[1:]
	}
}
