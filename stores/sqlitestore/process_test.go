package sqlitestore_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// The test binary is also the process that writes: with workerPath set it runs no tests.
const (
	workerPath = "TOKENKEEP_TEST_PATH"
	workerKey  = "TOKENKEEP_TEST_KEY"
	workerName = "TOKENKEEP_TEST_NAME"
	workerMany = "TOKENKEEP_TEST_WRITES"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerPath) == "" {
		os.Exit(m.Run())
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// work creates records and replaces each of them twice, and says so on its standard output after each write.
func work() error {
	key, err := hex.DecodeString(os.Getenv(workerKey))
	if err != nil {
		return err
	}
	ring, err := seal.New(key)
	if err != nil {
		return err
	}
	s, err := sqlitestore.Open(os.Getenv(workerPath), ring, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	writes, err := strconv.Atoi(os.Getenv(workerMany))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		wg.Go(func() { errs[w] = write(s, w, writes/writers) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// writers is how many goroutines of a worker write, so that their commits are shared.
const writers = 3

func write(s *sqlitestore.Store, w, writes int) error {
	var rec *store.Record
	for i := range writes {
		if i%3 == 0 {
			rec = &store.Record{ID: "id", Token: store.Token{AccessToken: "token"}}
		}
		rec.Generation = uint64(i % 3)
		var err error
		if rec, err = s.Put(context.Background(), workerHandle(os.Getenv(workerName), w, i/3), rec); err != nil {
			return err
		}
		fmt.Println(w)
	}
	return nil
}

func workerHandle(name string, w, i int) store.Handle {
	return store.Key(name, strconv.Itoa(w), strconv.Itoa(i))
}

func worker(ctx context.Context, path string, key []byte, name string, writes int) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), workerPath+"="+path, workerKey+"="+hex.EncodeToString(key), workerName+"="+name,
		workerMany+"="+strconv.Itoa(writes))
	cmd.Stderr = os.Stderr
	return cmd
}

// kept checks that the acknowledged writes of a worker are all there.
func kept(t *testing.T, s *sqlitestore.Store, name string, acknowledged [writers]int) {
	t.Helper()
	for w, all := range acknowledged {
		for i := 0; i < all; i += 3 {
			want := uint64(min(all-i, 3) - 1)
			rec, err := s.Get(t.Context(), workerHandle(name, w, i/3))
			if err != nil {
				t.Errorf("%s: write %d of %d acknowledged ones: %v", name, i, all, err)
			} else if rec.Generation < want {
				t.Errorf("%s: write %d of %d acknowledged ones: generation %d, want %d", name, i, all, rec.Generation, want)
			}
		}
	}
}

// fromEnv reads a number, so that long runs need no other test.
func fromEnv(t *testing.T, name string, otherwise int) int {
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

func TestProcesses(t *testing.T) {
	t.Parallel()
	writes := 60
	if os.Getenv("TOKENKEEP_HEAVY") != "" {
		writes = 1002
	}
	path, key := filepath.Join(t.TempDir(), "tokens.db"), seal.NewKey()
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			cmd := worker(t.Context(), path, key, strconv.Itoa(p), writes) // all of them create the file, too
			cmd.Stdout = io.Discard
			if err := cmd.Run(); err != nil {
				t.Errorf("process %d: %v", p, err)
			}
		})
	}
	wg.Wait()
	s := open(t, path, newRing(t, key), nil)
	for p := range 8 {
		kept(t, s, strconv.Itoa(p), [writers]int{writes / writers, writes / writers, writes / writers})
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	kills := fromEnv(t, "TOKENKEEP_KILLS", 12)
	path, key := filepath.Join(t.TempDir(), "tokens.db"), seal.NewKey()
	s := open(t, path, newRing(t, key), nil)
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
	for range 3 { // the ones that live on see what the killed ones leave behind
		wg.Go(func() {
			for name := range names {
				n := killed(t, path, key, name)
				kept(t, s, name, n)
				mu.Lock()
				for _, acknowledged := range n {
					total += acknowledged
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	var check string
	if err := s.Writer().QueryRow("PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
		t.Errorf("integrity check: %s, %v", check, err)
	}
	t.Logf("%d kills, %d acknowledged writes, %.0f kills a second", kills, total, float64(kills)/time.Since(start).Seconds())
	if total == 0 {
		t.Error("no write was acknowledged: nothing was tested")
	}
}

// killed runs a worker, kills it at some moment of its work and returns how many writes each of its goroutines had
// acknowledged.
func killed(t *testing.T, path string, key []byte, name string) (n [writers]int) {
	t.Helper()
	cmd := worker(t.Context(), path, key, name, 1<<30)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return n
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return n
	}
	var sent bool
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		w, err := strconv.Atoi(lines.Text())
		if err != nil || w >= writers {
			t.Errorf("%s said %q", name, lines.Text())
			continue
		}
		if n[w]++; !sent { // from its first write on, not while the process starts
			sent = true
			time.AfterFunc(rand.N(20*time.Millisecond), func() { cmd.Process.Kill() })
		}
	}
	cmd.Wait()
	if !sent {
		t.Errorf("%s: the process ended before its first write", name)
	}
	return n
}
