package sqlitestore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// says checks an error that is about the store and not about the record.
func says(t *testing.T, err error, op, want string) {
	t.Helper()
	for _, sentinel := range []error{store.ErrNotFound, store.ErrExists, store.ErrConflict, errors.ErrUnsupported} {
		if errors.Is(err, sentinel) {
			t.Fatalf("%s: %v is a statement about the record", op, err)
		}
	}
	if err == nil || !strings.HasPrefix(err.Error(), "gormstore: "+op+": ") || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v, want it to name the operation and %q", op, err, want)
	}
}

// TestFullDisk gives the file no room to grow, which is what SQLite makes of a full disk.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	if _, err := s.Writer().Exec("PRAGMA max_page_count = 60"); err != nil {
		t.Fatal(err)
	}
	big := &store.Record{Token: store.Token{AccessToken: strings.Repeat("token ", 3000)}}
	var err error
	var n int
	for ; err == nil && n < 100; n++ {
		_, err = s.Put(t.Context(), store.Key(strconv.Itoa(n)), big)
	}
	says(t, err, "put", "full")
	if n--; n == 0 {
		t.Fatal("not one record found room")
	}
	kept := func() {
		t.Helper()
		for i := range n {
			if rec, err := s.Get(t.Context(), store.Key(strconv.Itoa(i))); err != nil || rec.Token.AccessToken != big.Token.AccessToken {
				t.Errorf("record %d of %d: %v", i, n, err)
			}
		}
		if _, err := s.Get(t.Context(), store.Key(strconv.Itoa(n))); err != store.ErrNotFound {
			t.Errorf("the record that was refused: %v, want ErrNotFound", err)
		}
	}
	kept()
	first, err := s.Get(t.Context(), store.Key("0"))
	if err != nil {
		t.Fatal(err)
	}
	first.Token.AccessToken += strings.Repeat("more ", 20_000)
	_, err = s.Put(t.Context(), first.Handle, first)
	says(t, err, "put", "full")
	kept()
	if _, err := s.Writer().Exec("PRAGMA max_page_count = 10000"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), first.Handle, first); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestWrongKey opens a file whose records were sealed with a key that is not in the ring: nothing is found missing,
// nothing is overwritten, and with the right key all of it is there.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	path, key := filepath.Join(t.TempDir(), "tokens.db"), seal.NewKey()
	right := open(t, path, newRing(t, key), nil)
	live, dead := store.Key("live"), store.Key("dead")
	for h, rec := range map[store.Handle]*store.Record{
		live: {ID: "live", Subject: "user"},
		dead: {ID: "dead", Subject: "user", Expires: time.Now().Add(-time.Hour)},
	} {
		if _, err := right.Put(t.Context(), h, rec); err != nil {
			t.Fatal(err)
		}
	}
	wrong := open(t, path, newRing(t), nil)
	for _, h := range []store.Handle{live, dead} {
		_, err := wrong.Get(t.Context(), h)
		says(t, err, "get", "key")
		if !errors.Is(err, seal.ErrUnreadable) {
			t.Errorf("Get: %v, want seal.ErrUnreadable", err)
		}
		_, err = wrong.Put(t.Context(), h, &store.Record{ID: "other"})
		says(t, err, "put", "key")
	}
	_, _, err := wrong.List(t.Context(), "user", "", 10)
	says(t, err, "list", "key")
	removed, err := wrong.Sweep(t.Context(), 10, func(context.Context, *store.Record) error {
		t.Error("visited")
		return nil
	})
	says(t, err, "sweep", "1 row")
	if removed != 0 {
		t.Errorf("%d removed", removed)
	}
	if rec, err := right.Get(t.Context(), live); err != nil || rec.ID != "live" {
		t.Errorf("with the right key: %v, %v", rec, err)
	}
	removed, err = right.Sweep(t.Context(), 10, func(context.Context, *store.Record) error { return nil })
	if removed != 1 || err != nil {
		t.Errorf("with the right key: %d removed, %v", removed, err)
	}
	newer := open(t, path, newRing(t, seal.NewKey(), key), nil)
	if rec, err := newer.Get(t.Context(), live); err != nil || rec.ID != "live" {
		t.Errorf("with the right key in second place: %v, %v", rec, err)
	}
}

// TestSweep_passesOver has a row that cannot be opened stand before all others: it stays, it is reported, and it does
// not hold up the rest.
func TestSweep_passesOver(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	const n = 600
	expired := time.Now().Add(-time.Hour)
	for i := range n {
		rec := &store.Record{ID: strconv.Itoa(i), Expires: expired.Add(time.Duration(i/200) * time.Millisecond)} // many at one instant
		if _, err := s.Put(t.Context(), store.Key(rec.ID), rec); err != nil {
			t.Fatal(err)
		}
	}
	edit(t, s, store.Key("7"), func(b []byte) []byte { return b[:len(b)-1] })
	visited := map[string]int{}
	sweep := func(n int) (int, error) {
		return s.Sweep(t.Context(), n, func(_ context.Context, rec *store.Record) error {
			visited[rec.ID]++
			return nil
		})
	}
	if removed, err := sweep(100); removed != 100 || len(visited) != 100 || err != nil && !strings.Contains(err.Error(), "1 row") {
		t.Errorf("%d removed, %d visited, %v, want 100", removed, len(visited), err)
	}
	removed, err := sweep(10_000)
	says(t, err, "sweep", "1 row")
	if removed != n-101 || len(visited) != n-1 || visited["7"] > 0 {
		t.Errorf("%d removed, %d visited, want %d and %d", removed, len(visited), n-101, n-1)
	}
	for id, times := range visited {
		if times != 1 {
			t.Errorf("%s was visited %d times", id, times)
		}
	}
}

// TestHints forges the columns that List and Sweep search by: what is sealed decides.
func TestHints(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	for _, subject := range []string{"mine", "theirs"} {
		rec := &store.Record{ID: subject, Subject: subject, Expires: time.Now().Add(time.Hour)}
		if _, err := s.Put(t.Context(), store.Key(subject), rec); err != nil {
			t.Fatal(err)
		}
	}
	mine, theirs := store.Key("mine").Sum(), store.Key("theirs").Sum()
	_, err := s.Writer().Exec(`UPDATE tokenkeep_records SET due = 1,
		subject = (SELECT subject FROM tokenkeep_records WHERE sum = ?) WHERE sum = ?`, mine[:], theirs[:])
	if err != nil {
		t.Fatal(err)
	}
	recs, _, err := s.List(t.Context(), "mine", "", 10)
	if err != nil || len(recs) != 1 || recs[0].ID != "mine" {
		t.Errorf("List: %v, %v, want my own record", recs, err)
	}
	removed, err := s.Sweep(t.Context(), 10, func(_ context.Context, rec *store.Record) error {
		t.Errorf("visited %v, which is alive", rec)
		return nil
	})
	if removed != 0 || err != nil {
		t.Errorf("Sweep: %d, %v, want none", removed, err)
	}
}

// TestSweep_again: a visit that fails and puts its record again sends it to the end of the order, not into an endless
// loop.
func TestSweep_again(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	for i := range 5 {
		rec := &store.Record{ID: strconv.Itoa(i), Ended: time.Now().Add(-time.Hour), Updated: time.Now().Add(-time.Hour)}
		if _, err := s.Put(t.Context(), store.Key(rec.ID), rec); err != nil {
			t.Fatal(err)
		}
	}
	visited := map[string]int{}
	removed, err := s.Sweep(t.Context(), 100, func(ctx context.Context, rec *store.Record) error {
		visited[rec.ID]++
		rec.Updated = time.Now().Add(-time.Minute)
		if _, err := s.Put(ctx, rec.Handle, rec); err != nil {
			t.Error(err)
		}
		return errors.New("the provider is away")
	})
	if removed != 0 || err != nil {
		t.Errorf("%d removed, %v, want none", removed, err)
	}
	for i := range 5 {
		if n := visited[strconv.Itoa(i)]; n != 1 {
			t.Errorf("record %d was visited %d times, want once", i, n)
		}
	}
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path, ring := filepath.Join(t.TempDir(), "tokens.db"), newRing(t)
	s := open(t, path, ring, nil)
	for i := range 100 {
		if _, err := s.Put(t.Context(), store.Key(strconv.Itoa(i)), &store.Record{ID: strings.Repeat("x", 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 3 * 4096; i < len(data); i++ { // all but the schema
		data[i] = 0xa5
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = sqlitestore.Open(path, ring, nil)
	if err != nil {
		if !strings.Contains(err.Error(), "malformed") {
			t.Errorf("Open: %v", err)
		}
		return
	}
	defer s.Close()
	for i := range 100 {
		if _, err := s.Get(t.Context(), store.Key(strconv.Itoa(i))); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("record %d: %v, want an error about the file", i, err)
		}
	}
}

// TestLocked has another process hold the write lock longer than SQLite waits by itself.
func TestLocked(t *testing.T) {
	t.Parallel()
	path, ring := filepath.Join(t.TempDir(), "tokens.db"), newRing(t)
	s, other := open(t, path, ring, nil), open(t, path, ring, nil)
	if _, err := s.Writer().Exec("PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	tx, err := other.Writer().Begin()
	if err != nil {
		t.Fatal(err)
	}
	h := store.Key("a")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Put(ctx, h, &store.Record{})
	says(t, err, "put", "")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put past its deadline: %v", err)
	}
	if _, err := s.Get(t.Context(), h); err != store.ErrNotFound {
		t.Errorf("a read beside the lock: %v, want ErrNotFound", err)
	}
	time.AfterFunc(200*time.Millisecond, func() { tx.Rollback() })
	if _, err := s.Put(t.Context(), h, &store.Record{}); err != nil {
		t.Errorf("Put that had to wait: %v", err)
	}
}

// TestForeignTypes: SQLite lets any type stand in a column. What was never sealed is nobody's record; a version that no
// store has minted says that the table is damaged.
func TestForeignTypes(t *testing.T) {
	t.Parallel()
	s := newFile(t)
	h := store.Key("a")
	if _, err := s.Put(t.Context(), h, &store.Record{}); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"'text'", "4711", "1.5", "x''", "CAST(data AS TEXT)"} {
		if _, err := s.Writer().Exec("UPDATE tokenkeep_records SET data = " + value); err != nil {
			t.Fatal(err)
		}
		if rec, err := s.Get(t.Context(), h); rec != nil || err != store.ErrNotFound {
			t.Errorf("data %s: %v, %v, want ErrNotFound", value, rec, err)
		}
	}
	for _, value := range []string{"4711", "1.5", "x''", "'short'"} {
		if _, err := s.Writer().Exec("UPDATE tokenkeep_records SET version = " + value); err != nil {
			t.Fatal(err)
		}
		_, err := s.Get(t.Context(), h)
		says(t, err, "get", "malformed row")
	}
}
