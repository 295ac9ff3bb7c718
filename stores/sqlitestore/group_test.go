package sqlitestore_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// TestGroup_neighbours has some of many parallel writes fail, and each failure undo the transaction it happens in, as a
// full disk does, or leave it open: what is acknowledged is there, also for another process, what failed is not, and none
// fails because of another.
func TestGroup_neighbours(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ROLLBACK", "ABORT"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			neighbours(t, kind)
		})
	}
}

func neighbours(t *testing.T, kind string) {
	path, ring := filepath.Join(t.TempDir(), "tokens.db"), newRing(t)
	s, other := open(t, path, ring, nil), open(t, path, ring, nil)
	_, err := s.Writer().Exec(`CREATE TRIGGER too_large BEFORE INSERT ON tokenkeep_records WHEN length(NEW.data) > 5000
		BEGIN SELECT RAISE(` + kind + `, 'no room for this one'); END`)
	if err != nil {
		t.Fatal(err)
	}
	const n = 400
	large := func(i int) bool { return i%10 == 3 }
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		rec := &store.Record{ID: strconv.Itoa(i)}
		if large(i) {
			rec.Token.AccessToken = strings.Repeat("x", 6000)
		}
		wg.Go(func() {
			<-start
			got, err := s.Put(t.Context(), store.Key(rec.ID), rec)
			switch {
			case large(i):
				says(t, err, "put", "no room for this one")
			case err != nil:
				t.Errorf("write %d: %v", i, err)
			case got.ReadAt.IsZero() || got.Version == "":
				t.Errorf("write %d: %v without clock or version", i, got)
			}
		})
	}
	close(start)
	wg.Wait()
	for i := range n {
		rec, err := other.Get(t.Context(), store.Key(strconv.Itoa(i)))
		switch {
		case large(i) && err != store.ErrNotFound:
			t.Errorf("write %d failed and is there: %v", i, err)
		case !large(i) && (err != nil || rec.ID != strconv.Itoa(i)):
			t.Errorf("write %d: %v, %v", i, rec, err)
		}
	}
}

// TestGroup_waiting: whoever waits for his turn may leave, and what he wanted is not done.
func TestGroup_waiting(t *testing.T) {
	t.Parallel()
	path, ring := filepath.Join(t.TempDir(), "tokens.db"), newRing(t)
	s, other := open(t, path, ring, nil), open(t, path, ring, nil)
	tx, err := other.Writer().Begin()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 8 {
		wg.Go(func() {
			if _, err := s.Put(t.Context(), store.Key("stays", strconv.Itoa(i)), &store.Record{}); err != nil {
				t.Errorf("one that stayed: %v", err)
			}
		})
	}
	cause := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
	var leavers sync.WaitGroup
	for i := range 8 {
		leavers.Go(func() {
			_, err := s.Put(ctx, store.Key("leaves", strconv.Itoa(i)), &store.Record{})
			says(t, err, "put", "the user left")
			if !errors.Is(err, cause) {
				t.Errorf("%v does not wrap the cause", err)
			}
		})
	}
	leavers.Wait()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for i := range 8 {
		if _, err := s.Get(t.Context(), store.Key("leaves", strconv.Itoa(i))); err != store.ErrNotFound {
			t.Errorf("one that left: %v, want ErrNotFound", err)
		}
		if _, err := s.Get(t.Context(), store.Key("stays", strconv.Itoa(i))); err != nil {
			t.Errorf("one that stayed: %v", err)
		}
	}
}
