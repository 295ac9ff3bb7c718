package records

import (
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	_ "github.com/mattn/go-sqlite3" // driver "sqlite3"
	_ "modernc.org/sqlite"          // driver "sqlite"
)

// tableFloor is database/sql with prepared statements on a table of key, version, expiry and bytes: nobody seals or
// indexes anything. The file is set up as sqlitestore sets up its own.
type tableFloor struct {
	write, read                *sql.DB
	get, insert, update, erase *sql.Stmt
	versions                   sync.Map // number -> version
}

func openTable(driver, level string) func(dir string) (engine, error) {
	return func(dir string) (engine, error) {
		dsn := "file:" + filepath.Join(dir, "floor.db")
		switch driver {
		case "sqlite3":
			dsn += "?_journal_mode=WAL&_synchronous=" + level + "&_busy_timeout=10000&_txlock=immediate"
		case "sqlite":
			dsn += "?_pragma=journal_mode(WAL)&_pragma=synchronous(" + level + ")&_pragma=busy_timeout(10000)"
		}
		f := &tableFloor{}
		var err1, err2 error
		f.write, err1 = sql.Open(driver, dsn)
		f.read, err2 = sql.Open(driver, dsn)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		f.write.SetMaxOpenConns(1)
		f.read.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
		f.read.SetMaxIdleConns(max(4, runtime.GOMAXPROCS(0)))
		return f, f.prepare(`CREATE TABLE floor (sum BLOB PRIMARY KEY, version BLOB NOT NULL, due INTEGER NOT NULL, data BLOB NOT NULL)`,
			`SELECT due, data FROM floor WHERE sum = ?`, `INSERT INTO floor (sum, version, due, data) VALUES (?, ?, ?, ?)`,
			`UPDATE floor SET version = ?, data = ? WHERE sum = ? AND version = ?`, `DELETE FROM floor WHERE sum = ?`)
	}
}

func (f *tableFloor) prepare(schema, get, insert, update, erase string) error {
	if _, err := f.write.Exec(schema); err != nil {
		return err
	}
	var errs [4]error
	f.get, errs[0] = f.read.Prepare(get)
	f.insert, errs[1] = f.write.Prepare(insert)
	f.update, errs[2] = f.write.Prepare(update)
	f.erase, errs[3] = f.write.Prepare(erase)
	return errors.Join(errs[:]...)
}

func version() []byte {
	v := make([]byte, 16)
	rand.Read(v)
	return v
}

func (f *tableFloor) put(i int, expires time.Time) error {
	v := version()
	_, err := f.insert.ExecContext(ctx, key(i), v, expires.UnixMicro(), plain(i))
	if i < hot {
		f.versions.Store(i, v)
	}
	return err
}

func (f *tableFloor) load(i int) (string, error) {
	var due int64
	var data []byte
	if err := f.get.QueryRowContext(ctx, key(i)).Scan(&due, &data); err != nil {
		return "", err
	}
	if due <= time.Now().UnixMicro() {
		return "", errors.New("expired")
	}
	return accessOf(i, data)
}

func (f *tableFloor) replace(i int) error {
	old, _ := f.versions.Load(i)
	v := version()
	if err := f.replaceAt(i, v, old.([]byte)); err != nil {
		return err
	}
	f.versions.Store(i, v)
	return nil
}

func (f *tableFloor) replaceAt(i int, v, old []byte) error {
	res, err := f.update.ExecContext(ctx, v, plain(i), key(i), old)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.New("conflict")
	}
	return nil
}

func (f *tableFloor) replaceStale(i int) error { return f.replaceAt(i, version(), version()) }

func (f *tableFloor) remove(i int) error {
	_, err := f.erase.ExecContext(ctx, key(i))
	return err
}

func (f *tableFloor) Close() error { return errors.Join(f.read.Close(), f.write.Close()) }

// mapFloor is a hash of the handle and a map with 256 locks. It copies what it takes and gives.
type mapFloor struct {
	shards [256]struct {
		mu sync.RWMutex
		m  map[[32]byte]mapRow
	}
}

type mapRow struct {
	version int
	due     time.Time
	data    []byte
}

func openMap(string) (engine, error) {
	f := &mapFloor{}
	for i := range f.shards {
		f.shards[i].m = map[[32]byte]mapRow{}
	}
	return f, nil
}

func (f *mapFloor) put(i int, expires time.Time) error {
	sum := sha256.Sum256([]byte(text(i)))
	sh := &f.shards[sum[0]]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.m[sum] = mapRow{1, expires, plain(i)}
	return nil
}

func (f *mapFloor) load(i int) (string, error) {
	sum := sha256.Sum256([]byte(text(i)))
	sh := &f.shards[sum[0]]
	sh.mu.RLock()
	row, ok := sh.m[sum]
	sh.mu.RUnlock()
	if !ok || !time.Now().Before(row.due) {
		return "", errors.New("none")
	}
	return accessOf(i, row.data) // a copy
}

func (f *mapFloor) replace(i int) error {
	sum := sha256.Sum256([]byte(text(i)))
	sh := &f.shards[sum[0]]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	row, ok := sh.m[sum]
	if !ok {
		return errors.New("none")
	}
	sh.m[sum] = mapRow{row.version + 1, row.due, plain(i)}
	return nil
}

func (f *mapFloor) remove(i int) error {
	sum := sha256.Sum256([]byte(text(i)))
	sh := &f.shards[sum[0]]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.m, sum)
	return nil
}

func (f *mapFloor) Close() error { return nil }
