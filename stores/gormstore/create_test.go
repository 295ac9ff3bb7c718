package gormstore_test

import (
	"bytes"
	"database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
)

// TestCreate_over: a record that is over is replaced at the version that was found to be over, and at no other: between
// the two somebody else may have put a live one there. Here somebody always has.
func TestCreate_over(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := []struct {
		name string
		rec  store.Record
		data func([]byte) []byte
	}{
		{"expired", store.Record{Expires: now.Add(-time.Hour)}, nil},
		{"ended", store.Record{Ended: now}, nil},
		{"forged", store.Record{}, func(b []byte) []byte { return append(b, 0) }},
	}
	for _, test := range tests {
		for _, dialect := range dialects {
			t.Run(test.name+"/"+dialect, func(t *testing.T) {
				t.Parallel()
				ring, h := newRing(t), store.Key("a")
				sum := h.Sum()
				seal := func(rec *store.Record) []byte {
					data, err := ring.Seal(string(sum[:]), rec)
					if err != nil {
						t.Fatal(err)
					}
					return data
				}
				over, live := seal(&test.rec), seal(&store.Record{})
				if test.data != nil {
					over = test.data(over)
				}
				version := []byte("123456789012345678901234")
				var reads, writes int
				db := &server{}
				db.answer = func(text string, args []driver.NamedValue) ([][]driver.Value, [2]int64, error) {
					switch verb, _, _ := strings.Cut(text, " "); verb {
					case "INSERT":
						return nil, [2]int64{}, map[bool]error{true: errDuplicate}[dialect == "mysql"]
					case "SELECT":
						if reads++; reads > 1 {
							return [][]driver.Value{{sum[:], []byte("another version of it!!!"), live, now.UnixMicro()}}, [2]int64{}, nil
						}
						return [][]driver.Value{{sum[:], version, over, now.UnixMicro()}}, [2]int64{}, nil
					case "UPDATE":
						writes++
						last := args[len(args)-1].Value.([]byte)
						if !strings.Contains(text, "AND version = ") || !bytes.Equal(last, version) {
							t.Errorf("%s at version %q, want %q", text, last, version)
						}
						return nil, [2]int64{}, nil
					default:
						t.Errorf("unexpected: %s", text)
						return nil, [2]int64{}, errDown
					}
				}
				s, err := gormstore.New(openFake(t, dialect, db, nil), ring, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Put(t.Context(), h, &store.Record{}); err != store.ErrExists {
					t.Errorf("Put: %v, want ErrExists", err)
				}
				if reads != 2 || writes != 1 {
					t.Errorf("%d reads and %d writes, want 2 and 1", reads, writes)
				}
			})
		}
	}
}
