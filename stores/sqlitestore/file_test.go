package sqlitestore_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

func TestOpen_filesArePrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	tests := []struct {
		name  string
		setUp func(t *testing.T, path string)
	}{
		{"new", func(*testing.T, string) {}},
		{"there before", func(t *testing.T, path string) {
			s, err := sqlitestore.Open(path, newRing(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			if err := os.Chmod(path, 0o664); err != nil {
				t.Fatal(err)
			}
		}},
		{"in use, behind a link", func(t *testing.T, path string) {
			s := open(t, path+".target", newRing(t), nil)
			if _, err := s.Put(t.Context(), store.Key("b"), &store.Record{}); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"", "-wal", "-shm"} {
				if err := os.Chmod(path+".target"+name, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink("tokens.db.target", path); err != nil {
				t.Fatal(err)
			}
		}},
		{"behind a link", func(t *testing.T, path string) {
			if err := os.Symlink(path+".target", path); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "tokens.db")
			test.setUp(t, path)
			s := open(t, path, newRing(t), nil)
			if _, err := s.Put(t.Context(), store.Key("a"), &store.Record{}); err != nil {
				t.Fatal(err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				info, err := os.Stat(filepath.Join(dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, e.Name())
				if info.Mode() != fs.FileMode(0o600) {
					t.Errorf("%s has mode %v, want 0600", e.Name(), info.Mode())
				}
			}
			if len(names) < 3 {
				t.Errorf("only %q there: no log?", names)
			}
		})
	}
}

func TestOpen_oddPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain.db", "a b.db", "a?mode=ro.db", "a#b.db", "100%41.db", "ünï.db", "a:b.db", "'; --.db"} {
		path := filepath.Join(t.TempDir(), name)
		open(t, path, newRing(t), nil)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpen_relativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"tokens.db", "a:b.db", "./c.db"} {
		open(t, name, newRing(t), nil)
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

func TestOpen_faults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noDatabase := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("Dear Sir or Madam, ", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if info, err := os.Stat(noDatabase); err != nil || info.Mode() != 0o644 {
			t.Errorf("what is no database has mode %v, %v, want it untouched", info.Mode(), err)
		}
	})
	tests := []struct {
		name, path string
		options    *sqlitestore.Options
		want       []string
	}{
		{"no directory", filepath.Join(dir, "no", "tokens.db"), nil, []string{"sqlitestore: open: ", "no such file or directory"}},
		{"a directory", dir, nil, []string{"sqlitestore: open: ", "unable to open database file"}},
		{"no database", noDatabase, nil, []string{"sqlitestore: open: ", "file is not a database"}},
		{"table", filepath.Join(dir, "tokens.db"), &sqlitestore.Options{Table: "a;b"}, []string{`Table is "a;b"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlitestore.Open(test.path, newRing(t), test.options)
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want it to contain %q", err, want)
				}
			}
		})
	}
	if _, err := sqlitestore.Open("", nil, nil); err == nil || !strings.Contains(err.Error(), "no path") || !strings.Contains(err.Error(), "no ring") {
		t.Errorf("error %v, want both faults", err)
	}
}

func TestOpen_atOnce(t *testing.T) {
	t.Parallel()
	path, ring := filepath.Join(t.TempDir(), "tokens.db"), newRing(t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			s, err := sqlitestore.Open(path, ring, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.Put(t.Context(), store.Handle{}, &store.Record{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOpen_settings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options *sqlitestore.Options
		want    map[string]string
	}{
		{"default", nil, map[string]string{"synchronous": "2", "journal_mode": "wal"}},
		{"zero", &sqlitestore.Options{}, map[string]string{"synchronous": "2", "journal_mode": "wal"}},
		{"normal", &sqlitestore.Options{SynchronousNormal: true}, map[string]string{"synchronous": "1", "journal_mode": "wal"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, filepath.Join(t.TempDir(), "tokens.db"), newRing(t), test.options)
			for name, want := range test.want {
				var got string
				if err := s.Writer().QueryRow("PRAGMA " + name).Scan(&got); err != nil || got != want {
					t.Errorf("%s is %s, %v, want %s", name, got, err, want)
				}
			}
			var got string
			if err := s.Reader().QueryRow("PRAGMA query_only").Scan(&got); err != nil || got != "1" {
				t.Errorf("query_only of a reader is %s, %v, want 1", got, err)
			}
			if n := s.Writer().Stats().MaxOpenConnections; n != 1 {
				t.Errorf("%d writers, want 1", n)
			}
		})
	}
}

// TestOpen_locked has another program hold a file that has no write-ahead log yet for longer than SQLite waits.
func TestOpen_locked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "app.db")
	db := sqlitestore.Plain(path)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range []string{"CREATE TABLE a (b)", "BEGIN EXCLUSIVE"} {
		if _, err := conn.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	time.AfterFunc(1500*time.Millisecond, func() { conn.ExecContext(context.Background(), "COMMIT") })
	open(t, path, newRing(t), nil)
}

// TestOpen_readsBesideWrites: who writes does not keep readers of the same process waiting.
func TestOpen_readsBesideWrites(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	h := store.Key("a")
	if _, err := s.Put(t.Context(), h, &store.Record{}); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Writer().Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	read := make(chan error)
	go func() {
		_, err := s.Get(context.Background(), h)
		read <- err
	}()
	select {
	case err := <-read:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a read waits for a write")
		tx.Rollback()
		<-read
	}
}

// TestOpen_memoryStays: a database in memory outlives each of its connections.
func TestOpen_memoryStays(t *testing.T) {
	t.Parallel()
	s, other := open(t, ":memory:", newRing(t), nil), open(t, ":memory:", newRing(t), nil)
	h := store.Key("a")
	if _, err := s.Put(t.Context(), h, &store.Record{}); err != nil {
		t.Fatal(err)
	}
	s.Writer().SetMaxIdleConns(0)
	for range 3 {
		if _, err := s.Get(t.Context(), h); err != nil {
			t.Error(err)
		}
	}
	if _, err := other.Get(t.Context(), h); err != store.ErrNotFound {
		t.Errorf("another one: %v, want ErrNotFound", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.db")
	s, err := sqlitestore.Open(path, newRing(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("the log is still there")
	}
	if _, err := s.Get(t.Context(), store.Key("a")); err == nil || err == store.ErrNotFound {
		t.Errorf("Get after Close: %v, want another error", err)
	}
}
