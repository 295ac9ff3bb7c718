package gormstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// TestGet_clock: a driver may have the server's clock as a number, as its text, or as a time.
func TestGet_clock(t *testing.T) {
	t.Parallel()
	want := time.UnixMicro(1_767_225_600_123_456)
	h, ring := store.Key("a"), newRing(t)
	sum := h.Sum()
	sealed, err := ring.Seal(string(sum[:]), &store.Record{ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range []driver.Value{
		want.UnixMicro(), []byte("1767225600123456"), "1767225600123456", want.UTC(), want.Add(789),
	} {
		db := openFake(t, "postgres", &server{answer: func(string, []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
			return [][]driver.Value{{sum[:], []byte("123456789012345678901234"), sealed, told}}, [2]int64{}, nil
		}}, nil)
		s, err := gormstore.New(db, ring, nil)
		if err != nil {
			t.Fatal(err)
		}
		if rec, err := s.Get(t.Context(), h); err != nil || !rec.ReadAt.Equal(want) {
			t.Errorf("%T: %v, %v, want it to be read at %v", told, rec, err, want)
		}
	}
}

// near is a pool that offers what one of a database in this process does.
type near struct {
	*sql.DB
	version, data []byte
}

func (n near) Pair(string, []byte) (a, b []byte, err error) { return n.version, n.data, nil }

func (n near) Together(context.Context, string, []any) (int64, time.Time, error) {
	return 0, time.Time{}, nil
}

// TestGet_near reads through such a pool: rows are checked as others are.
func TestGet_near(t *testing.T) {
	t.Parallel()
	h, ring := store.Key("a"), newRing(t)
	sum, other := h.Sum(), store.Key("b").Sum()
	seal := func(name [32]byte) []byte {
		sealed, err := ring.Seal(string(name[:]), &store.Record{ID: "1"})
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	version := []byte("123456789012345678901234")
	for _, tt := range []struct {
		name          string
		version, data []byte
		want          string
	}{
		{"the record", version, seal(sum), ""},
		{"none", nil, nil, "not found"},
		{"another's", version, seal(other), "not found"},
		{"short version", version[:23], seal(sum), "malformed row"},
		{"huge", version, make([]byte, 3<<20), "malformed row"},
	} {
		pool := sql.OpenDB(&server{answer: silent})
		t.Cleanup(func() { pool.Close() })
		db, err := gorm.Open(dialector{name: "sqlite", conn: near{pool, tt.version, tt.data}}, &gorm.Config{Logger: logger.Discard})
		if err != nil {
			t.Fatal(err)
		}
		s, err := gormstore.New(db, ring, nil)
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-time.Millisecond)
		rec, err := s.Get(t.Context(), h)
		switch {
		case tt.want == "" && (err != nil || rec.ID != "1" || string(rec.Version) != string(version) || rec.ReadAt.Before(before)):
			t.Errorf("%s: %v read at %v, %v", tt.name, rec, rec.ReadAt, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}
