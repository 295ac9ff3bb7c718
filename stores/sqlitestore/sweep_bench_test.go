package sqlitestore_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// BenchmarkLoadBesideSweep measures the p99 of loads alone and beside a sweep of expired rows, a million of them with
// TOKENKEEP_HEAVY set, and reports the ratio.
func BenchmarkLoadBesideSweep(b *testing.B) {
	rows := 20_000
	if os.Getenv("TOKENKEEP_HEAVY") != "" {
		rows = 1_000_000
	}
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		b.Fatal(err)
	}
	s, err := sqlitestore.Open(filepath.Join(b.TempDir(), "tokens.db"), ring, &sqlitestore.Options{SynchronousNormal: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const live = 1000
	stock(b, s, rows, time.Now().Add(-time.Hour), "expired")
	stock(b, s, live, time.Now().Add(time.Hour), "live")
	for b.Loop() {
		alone := p99(b, s, live, func() bool { return true })
		var swept atomic.Int64
		var done atomic.Bool
		var sweeper sync.WaitGroup
		sweeper.Go(func() {
			defer done.Store(true)
			for {
				n, err := s.Sweep(context.Background(), 1000, func(context.Context, *store.Record) error { return nil })
				if err != nil || n == 0 {
					return
				}
				swept.Add(int64(n))
			}
		})
		beside := p99(b, s, live, done.Load)
		sweeper.Wait()
		b.ReportMetric(float64(alone.Microseconds()), "p99-alone-µs")
		b.ReportMetric(float64(beside)/float64(alone), "p99-beside/alone")
		b.ReportMetric(float64(swept.Load()), "swept")
	}
}

func stock(b *testing.B, s *sqlitestore.Store, n int, expires time.Time, name string) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				rec := &store.Record{ID: name, Subject: name, Expires: expires, Token: store.Token{AccessToken: "access"}}
				if _, err := s.Put(context.Background(), store.Key(name, strconv.FormatInt(i, 10)), rec); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// p99 loads live rows until done, 60 s at most; at least for a second, or there is no p99.
func p99(b *testing.B, s *sqlitestore.Store, live int, done func() bool) time.Duration {
	b.Helper()
	var took []time.Duration
	began := time.Now()
	for i := 0; time.Since(began) < time.Second || !done() && time.Since(began) < time.Minute; i++ {
		from := time.Now()
		if _, err := s.Get(context.Background(), store.Key("live", strconv.Itoa(1+i%live))); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(from))
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}
