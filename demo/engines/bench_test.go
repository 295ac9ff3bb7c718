package engines_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// The floor is one round trip of the bare driver through database/sql, with prepared statements, on a table of key,
// version and bytes that nobody indexes, seals or checks.

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

type floor struct{ load, save, replace *sql.Stmt }

func newFloor(b *testing.B, e engine) *floor {
	b.Helper()
	db := e.db(b, &gorm.Config{Logger: logger.Discard})
	table := e.table(b)
	create := "CREATE TABLE " + table + " (sum bytea PRIMARY KEY, version bytea NOT NULL, data bytea NOT NULL)"
	mark := strings.NewReplacer("?1", "$1", "?2", "$2", "?3", "$3", "?4", "$4")
	if e.name == "mysql" {
		create = "CREATE TABLE " + table + " (sum BINARY(32) PRIMARY KEY, version BINARY(24) NOT NULL, data MEDIUMBLOB NOT NULL) ENGINE=InnoDB"
		mark = strings.NewReplacer("?1", "?", "?2", "?", "?3", "?", "?4", "?")
	}
	if err := db.Exec(create).Error; err != nil {
		b.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		b.Fatal(err)
	}
	prepare := func(text string) *sql.Stmt {
		stmt, err := pool.Prepare(mark.Replace(strings.ReplaceAll(text, "floor", table)))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { stmt.Close() })
		return stmt
	}
	return &floor{
		load:    prepare("SELECT data FROM floor WHERE sum = ?1"),
		save:    prepare("INSERT INTO floor (sum, version, data) VALUES (?1, ?2, ?3)"),
		replace: prepare("UPDATE floor SET version = ?1, data = ?2 WHERE sum = ?3 AND version = ?4"),
	}
}

func benchEach(b *testing.B, bench func(b *testing.B, e engine)) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			e.need(b)
			bench(b, e)
		})
	}
}

// paired runs both by turns, so that what else the machine does hits them alike, and reports the medians.
func paired(b *testing.B, floor, ours func() error) {
	b.Helper()
	var times [2][]time.Duration
	for b.Loop() {
		for i, f := range []func() error{floor, ours} {
			start := time.Now()
			if err := f(); err != nil {
				b.Fatal(err)
			}
			times[i] = append(times[i], time.Since(start))
		}
	}
	slices.Sort(times[0])
	slices.Sort(times[1])
	base, own := times[0][len(times[0])/2], times[1][len(times[1])/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(base), "floor-ns")
	b.ReportMetric(float64(own), "store-ns")
	b.ReportMetric(float64(own)/float64(base), "ratio")
}

func BenchmarkLoad(b *testing.B) {
	benchEach(b, func(b *testing.B, e engine) {
		ctx, f, s := b.Context(), newFloor(b, e), newStore(b, e)
		h := store.Key("bench")
		sum := h.Sum()
		if _, err := f.save.Exec(sum[:], make([]byte, 24), make([]byte, benchSize)); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Put(ctx, h, benchRecord()); err != nil {
			b.Fatal(err)
		}
		paired(b, func() error {
			var data []byte
			return f.load.QueryRowContext(ctx, sum[:]).Scan(&data)
		}, func() error {
			_, err := s.Get(ctx, h)
			return err
		})
	})
}

func BenchmarkSave(b *testing.B) {
	benchEach(b, func(b *testing.B, e engine) {
		ctx, f, s, rec := b.Context(), newFloor(b, e), newStore(b, e), benchRecord()
		paired(b, func() error {
			sum := store.NewCredential("bench").Sum()
			_, err := f.save.ExecContext(ctx, sum[:], make([]byte, 24), make([]byte, benchSize))
			return err
		}, func() error {
			_, err := s.Put(ctx, store.Handle{}, rec)
			return err
		})
	})
}

func BenchmarkReplace(b *testing.B) {
	benchEach(b, func(b *testing.B, e engine) {
		ctx, f, s := b.Context(), newFloor(b, e), newStore(b, e)
		old, next := make([]byte, 24), make([]byte, 24)
		sum := store.Key("bench").Sum()
		if _, err := f.save.Exec(sum[:], old, make([]byte, benchSize)); err != nil {
			b.Fatal(err)
		}
		rec, err := s.Put(ctx, store.Key("bench"), benchRecord())
		if err != nil {
			b.Fatal(err)
		}
		paired(b, func() error {
			rand.Read(next)
			res, err := f.replace.ExecContext(ctx, next, make([]byte, benchSize), sum[:], old)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n != 1 {
				return fmt.Errorf("%d rows, %w", n, err)
			}
			copy(old, next)
			return nil
		}, func() (err error) {
			rec, err = s.Put(ctx, rec.Handle, rec)
			return err
		})
	})
}
