package sqlitestore_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// The floor is what database/sql can do with the same driver, the same file settings and prepared statements when
// nobody seals, checks or indexes anything: a table of key, version and bytes.

type floor struct {
	load, save, saveIndexed, replace *sql.Stmt
}

func newFloor(b *testing.B, s *sqlitestore.Store, rows int) *floor {
	b.Helper()
	db := s.Writer()
	for _, text := range []string{
		`CREATE TABLE floor (sum BLOB NOT NULL PRIMARY KEY, version BLOB NOT NULL, data BLOB NOT NULL)`,
		`CREATE TABLE indexed (sum BLOB NOT NULL PRIMARY KEY, version BLOB NOT NULL, subject BLOB, data BLOB NOT NULL)`,
		`CREATE INDEX by_subject ON indexed (subject)`,
	} {
		if _, err := db.Exec(text); err != nil {
			b.Fatal(err)
		}
	}
	prepare := func(db *sql.DB, text string) *sql.Stmt {
		stmt, err := db.Prepare(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { stmt.Close() })
		return stmt
	}
	f := &floor{
		load:        prepare(s.Reader(), `SELECT data FROM floor WHERE sum = ?`),
		save:        prepare(db, `INSERT INTO floor (sum, version, data) VALUES (?, ?, ?)`),
		saveIndexed: prepare(db, `INSERT INTO indexed (sum, version, subject, data) VALUES (?, ?, ?, ?)`),
		replace:     prepare(db, `UPDATE floor SET version = ?, data = ? WHERE sum = ? AND version = ?`),
	}
	fill(b, db, rows, `INSERT INTO floor (sum, version, data) VALUES (?, ?, ?)`, func(i int) []any {
		sum := benchHandle(i).Sum()
		return []any{sum[:], make([]byte, 16), make([]byte, benchSize)}
	})
	return f
}

// benchSize is the size of a sealed benchRecord, about.
const benchSize = 1000

func benchRecord() *store.Record {
	text := func(n int) string {
		b := make([]byte, n)
		rand.Read(b)
		return string(b)
	}
	return &store.Record{ID: rand.Text(), Subject: "user-4711", Provider: "provider", Token: store.Token{
		AccessToken: text(600), TokenType: "Bearer", RefreshToken: text(200), Scopes: []string{"profile", "email"},
	}}
}

func benchHandle(i int) store.Handle {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i))
	return store.Key("bench", string(b[:]))
}

func fill(b *testing.B, db *sql.DB, rows int, text string, args func(i int) []any) {
	b.Helper()
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	stmt, err := tx.Prepare(text)
	if err != nil {
		b.Fatal(err)
	}
	for i := range rows {
		if _, err := stmt.Exec(args(i)...); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}

// newFilled returns a store with rows records and the floor beside it.
func newFilled(b *testing.B, rows int, o *sqlitestore.Options) (*sqlitestore.Store, *floor) {
	b.Helper()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		b.Fatal(err)
	}
	s := open(b, filepath.Join(b.TempDir(), "tokens.db"), ring, o)
	rec := benchRecord()
	fill(b, s.Writer(), rows, `INSERT INTO tokenkeep_records (sum, version, subject, due, data) VALUES (?, ?, ?, ?, ?)`,
		func(i int) []any {
			sum := benchHandle(i).Sum()
			sealed, err := ring.Seal(string(sum[:]), rec)
			if err != nil {
				b.Fatal(err)
			}
			subject := store.Key("subject", fmt.Sprint(i/3)).Sum()
			return []any{sum[:], fmt.Appendf(nil, "%024d", i), subject[:], nil, sealed}
		})
	return s, newFloor(b, s, rows)
}

// paired runs all of them by turns, so that what else the machine does hits them alike, and reports the medians: the
// last one is ours, and its ratio to each of the others.
func paired(b *testing.B, names []string, runs ...func(i int) error) {
	b.Helper()
	times := make([][]time.Duration, len(runs))
	for i := 0; b.Loop(); i++ {
		for j, run := range runs {
			start := time.Now()
			if err := run(i); err != nil {
				b.Fatal(err)
			}
			times[j] = append(times[j], time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op")
	medians := make([]float64, len(runs))
	for j, t := range times {
		slices.Sort(t)
		medians[j] = float64(t[len(t)/2])
		b.ReportMetric(medians[j], names[j]+"-ns")
	}
	last := len(runs) - 1
	for j := range last {
		b.ReportMetric(medians[last]/medians[j], "ratio-to-"+names[j])
	}
}

// benchEach runs bench at each table size and, for writes, at both synchronous levels.
func benchEach(b *testing.B, writes bool, bench func(b *testing.B, rows int, o *sqlitestore.Options)) {
	sizes := []int{1_000}
	if os.Getenv("TOKENKEEP_HEAVY") != "" {
		sizes = []int{1_000, 10_000, 100_000, 1_000_000}
	}
	for _, rows := range sizes {
		b.Run(fmt.Sprintf("rows=%d/full", rows), func(b *testing.B) { bench(b, rows, nil) })
		if writes {
			b.Run(fmt.Sprintf("rows=%d/normal", rows), func(b *testing.B) {
				bench(b, rows, &sqlitestore.Options{SynchronousNormal: true})
			})
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	benchEach(b, false, func(b *testing.B, rows int, o *sqlitestore.Options) {
		s, f := newFilled(b, rows, o)
		ctx := b.Context()
		paired(b, []string{"floor", "store"}, func(i int) error {
			var data []byte
			sum := benchHandle(i * 7919 % rows).Sum() // all over the table, not along it
			return f.load.QueryRowContext(ctx, sum[:]).Scan(&data)
		}, func(i int) error {
			_, err := s.Get(ctx, benchHandle(i*7919%rows))
			return err
		})
	})
}

// BenchmarkSave has two floors: one that finds by key only, and one that finds by subject as well.
func BenchmarkSave(b *testing.B) {
	benchEach(b, true, func(b *testing.B, rows int, o *sqlitestore.Options) {
		s, f := newFilled(b, rows, o)
		fill(b, s.Writer(), rows, `INSERT INTO indexed (sum, version, subject, data) VALUES (?, ?, ?, ?)`, func(i int) []any {
			sum, subject := benchHandle(i).Sum(), benchHandle(i/3).Sum()
			return []any{sum[:], make([]byte, 16), subject[:], make([]byte, benchSize)}
		})
		ctx, rec := b.Context(), benchRecord()
		paired(b, []string{"floor", "indexed", "store"}, func(i int) error {
			sum := benchHandle(rows + i).Sum()
			_, err := f.save.ExecContext(ctx, sum[:], make([]byte, 16), make([]byte, benchSize))
			return err
		}, func(i int) error {
			sum, subject := benchHandle(rows+i).Sum(), benchHandle(i).Sum()
			_, err := f.saveIndexed.ExecContext(ctx, sum[:], make([]byte, 16), subject[:], make([]byte, benchSize))
			return err
		}, func(i int) error {
			rec.Subject = strconv.Itoa(i)
			_, err := s.Put(ctx, benchHandle(rows+i), rec)
			return err
		})
	})
}

func BenchmarkReplace(b *testing.B) {
	benchEach(b, true, func(b *testing.B, rows int, o *sqlitestore.Options) {
		s, f := newFilled(b, rows, o)
		ctx := b.Context()
		const hot = 500 // records in use
		var (
			recs     [hot]*store.Record
			versions [hot][16]byte
		)
		for i := range recs {
			h := benchHandle(i * 7919 % rows)
			if err := s.Delete(ctx, h, ""); err != nil {
				b.Fatal(err)
			}
			var err error
			if recs[i], err = s.Put(ctx, h, benchRecord()); err != nil {
				b.Fatal(err)
			}
		}
		paired(b, []string{"floor", "store"}, func(i int) error {
			sum, old := recs[i%hot].Handle.Sum(), versions[i%hot]
			next := &versions[i%hot]
			rand.Read(next[:])
			res, err := f.replace.ExecContext(ctx, next[:], make([]byte, benchSize), sum[:], old[:])
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n != 1 {
				return fmt.Errorf("%d rows, %w", n, err)
			}
			return nil
		}, func(i int) (err error) {
			recs[i%hot], err = s.Put(ctx, recs[i%hot].Handle, recs[i%hot])
			return err
		})
	})
}

// BenchmarkParallelSave has 32 callers save at once, each of them told when its record is on the disk.
func BenchmarkParallelSave(b *testing.B) {
	s, f := newFilled(b, 1000, nil)
	rec := benchRecord()
	var n atomic.Int64
	run := func(save func(h store.Handle) error) func(b *testing.B) {
		return func(b *testing.B) {
			b.SetParallelism(32 / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := save(benchHandle(int(1_000_000 + n.Add(1)))); err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
	b.Run("floor", run(func(h store.Handle) error {
		sum := h.Sum()
		_, err := f.save.Exec(sum[:], make([]byte, 16), make([]byte, benchSize))
		return err
	}))
	b.Run("store", run(func(h store.Handle) error {
		_, err := s.Put(context.Background(), h, rec)
		return err
	}))
}

// BenchmarkSweep reports what a sweep of many expired rows does to the slowest hundredth of the loads beside it.
func BenchmarkSweep(b *testing.B) {
	rows := 20_000
	if os.Getenv("TOKENKEEP_HEAVY") != "" {
		rows = 1_000_000
	}
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		b.Fatal(err)
	}
	s := open(b, filepath.Join(b.TempDir(), "tokens.db"), ring, nil)
	live, dead := benchRecord(), benchRecord()
	dead.Expires = time.Now().Add(-time.Hour)
	const text = `INSERT INTO tokenkeep_records (sum, version, subject, due, data) VALUES (?, ?, ?, ?, ?)`
	args := func(rec *store.Record, from int) func(i int) []any {
		return func(i int) []any {
			sum, subject := benchHandle(from+i).Sum(), store.Key("subject", rec.Subject).Sum()
			sealed, err := ring.Seal(string(sum[:]), rec)
			if err != nil {
				b.Fatal(err)
			}
			var due any
			if !rec.Expires.IsZero() {
				due = rec.Expires.UnixMicro()
			}
			return []any{sum[:], fmt.Appendf(nil, "%024d", i), subject[:], due, sealed}
		}
	}
	fill(b, s.Writer(), rows, text, args(live, 0))
	loads := func(until func(i int) bool) float64 {
		var times []time.Duration
		for i := 0; !until(i); i++ {
			start := time.Now()
			if _, err := s.Get(b.Context(), benchHandle(i*7919%rows)); err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(start))
		}
		slices.Sort(times)
		return float64(times[len(times)*99/100])
	}
	for b.Loop() {
		fill(b, s.Writer(), rows, text, args(dead, rows))
		quiet := loads(func(i int) bool { return i == 100_000 })
		done := make(chan struct{})
		start := time.Now()
		go func() {
			defer close(done)
			n, err := s.Sweep(context.Background(), rows, func(context.Context, *store.Record) error { return nil })
			if err != nil || n != rows {
				b.Errorf("%d of %d removed, %v", n, rows, err)
			}
		}()
		beside := loads(func(int) bool {
			select {
			case <-done:
				return true
			default:
				return false
			}
		})
		b.ReportMetric(quiet, "quiet-p99-ns")
		b.ReportMetric(beside, "beside-p99-ns")
		b.ReportMetric(beside/quiet, "ratio")
		b.ReportMetric(float64(rows)/time.Since(start).Seconds(), "rows/s")
	}
}
