package engines_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
)

// The test binary is also the process that migrates and writes: with workerEngine set it runs no tests.
const (
	workerEngine = "TOKENKEEP_TEST_ENGINE"
	workerTable  = "TOKENKEEP_TEST_TABLE"
	workerKey    = "TOKENKEEP_TEST_KEY"
	workerName   = "TOKENKEEP_TEST_NAME"
	workerMany   = "TOKENKEEP_TEST_WRITES"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerEngine) == "" {
		os.Exit(m.Run())
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// work migrates, creates records and replaces each of them twice, and says so on its standard output after each write.
func work() error {
	var s *gormstore.Store
	for _, e := range engines {
		if e.name != os.Getenv(workerEngine) {
			continue
		}
		key, err := hex.DecodeString(os.Getenv(workerKey))
		if err != nil {
			return err
		}
		ring, err := seal.New(key)
		if err != nil {
			return err
		}
		db, err := e.connect(nil)
		if err != nil {
			return err
		}
		if s, err = gormstore.New(db, ring, &gormstore.Options{Table: os.Getenv(workerTable)}); err != nil {
			return err
		}
	}
	if s == nil {
		return errors.New("no such engine")
	}
	ctx := context.Background()
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	writes, err := strconv.Atoi(os.Getenv(workerMany))
	if err != nil {
		return err
	}
	var rec *store.Record
	for i := range writes {
		if i%3 == 0 {
			rec = &store.Record{ID: "id", Token: store.Token{AccessToken: "token"}}
		}
		rec.Generation = uint64(i % 3)
		if rec, err = s.Put(ctx, workerHandle(os.Getenv(workerName), i/3), rec); err != nil {
			return err
		}
		fmt.Println(i)
	}
	return nil
}

func workerHandle(name string, i int) store.Handle { return store.Key(name, strconv.Itoa(i)) }

func (e engine) worker(ctx context.Context, table string, key []byte, name string, writes int) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), workerEngine+"="+e.name, workerTable+"="+table, workerKey+"="+hex.EncodeToString(key),
		workerName+"="+name, workerMany+"="+strconv.Itoa(writes))
	cmd.Stderr = os.Stderr
	return cmd
}

// kept checks that the acknowledged writes of a worker are all there.
func kept(t *testing.T, s store.TokenStore, name string, acknowledged int) {
	t.Helper()
	for i := 0; i < acknowledged; i += 3 {
		want := uint64(min(acknowledged-i, 3) - 1)
		rec, err := s.Get(t.Context(), workerHandle(name, i/3))
		if err != nil {
			t.Errorf("%s: write %d of %d acknowledged ones: %v", name, i, acknowledged, err)
		} else if rec.Generation < want {
			t.Errorf("%s: write %d of %d acknowledged ones: generation %d, want %d", name, i, acknowledged, rec.Generation, want)
		}
	}
}

// TestMigrate_processes has eight processes migrate and write at once, where there was no table before.
func TestMigrate_processes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e engine) {
		const writes = 30
		for range rounds(t, "TOKENKEEP_MIGRATIONS", 2) {
			table, key := e.table(t), seal.NewKey()
			var wg sync.WaitGroup
			for p := range 8 {
				wg.Go(func() {
					cmd := e.worker(t.Context(), table, key, strconv.Itoa(p), writes)
					if err := cmd.Run(); err != nil {
						t.Errorf("process %d: %v", p, err)
					}
				})
			}
			wg.Wait()
			f := &fixture{engine: e, table: table, ring: newRing(t, key)}
			f.open(t)
			for p := range 8 {
				kept(t, f, strconv.Itoa(p), writes)
			}
		}
	})
}

func TestKill(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e engine) {
		kills := rounds(t, "TOKENKEEP_KILLS", 12)
		table, key := e.table(t), seal.NewKey()
		f := &fixture{engine: e, table: table, ring: newRing(t, key)}
		f.open(t)
		if err := f.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var (
			wg    sync.WaitGroup
			mu    sync.Mutex
			total int
			names = make(chan string, kills)
		)
		for i := range kills {
			names <- strconv.Itoa(i)
		}
		close(names)
		for range 3 {
			wg.Go(func() {
				for name := range names {
					n := e.killed(t, table, key, name)
					kept(t, f, name, n)
					mu.Lock()
					total += n
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		t.Logf("%d kills, %d acknowledged writes, %.0f kills a second", kills, total, float64(kills)/time.Since(start).Seconds())
		if total == 0 {
			t.Error("no write was acknowledged: nothing was tested")
		}
	})
}

// killed runs a worker, kills it at some moment of its work and returns how many writes it had acknowledged.
func (e engine) killed(t *testing.T, table string, key []byte, name string) int {
	t.Helper()
	cmd := e.worker(t.Context(), table, key, name, 1<<30)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return 0
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return 0
	}
	var n int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if n++; n == 1 { // from its first write on, not while the process starts
			go func(after time.Duration) {
				<-time.After(after)
				cmd.Process.Kill()
			}(rand.N(20 * time.Millisecond))
		}
	}
	cmd.Wait()
	if n == 0 {
		t.Errorf("%s: the process ended before its first write", name)
	}
	return n
}

// rounds reads a number, so that long runs need no other test.
func rounds(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
