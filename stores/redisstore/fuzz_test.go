package redisstore_test

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
)

// Whatever stands where a row should, it is no record unless this program wrote it there.
func FuzzRow(f *testing.F) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // never dialled
	f.Cleanup(func() { client.Close() })
	s, h := newFixture(f, client, newRing(f), "fuzz:"), store.Key("k")
	row, err := s.Row(h, &store.Record{ID: "R", Version: "abcdefghijklmnop"})
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{row, row[:headSize], row[:headSize+8], row[:1], "", "hello", "\x02" + row[1:]} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rec, err := s.Open(h, text)
		if (rec == nil) != (err != nil && !errors.Is(err, store.ErrEnded)) {
			t.Fatalf("got %v, %v", rec, err)
		}
		if rec != nil && (len(text) != len(row) || text[headSize:] != row[headSize:]) {
			t.Fatal("a forgery opened")
		}
	})
}
