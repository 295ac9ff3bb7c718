package redisstore_test

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// Every key has a TTL, rows 30 days beyond what they are due and index keys no less than their rows.
func TestStore_keysHaveTTL(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Now()
	cases := []struct {
		name string
		rec  store.Record
		want time.Duration
	}{
		{"never expires", store.Record{}, 3650 * day},
		{"expires in a day", store.Record{Expires: now.Add(day)}, 31 * day},
		{"expired long ago", store.Record{Expires: now.Add(-1000 * day)}, 30 * day},
		{"expired before 1970", store.Record{Expires: time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)}, 30 * day},
		{"expires beyond the year 2255", store.Record{Expires: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
			time.UnixMicro(9e15).Sub(now) + 30*day},
		{"expires beyond all reason", store.Record{Expires: time.Unix(math.MaxInt64>>1, 0)}, time.UnixMicro(9e15).Sub(now) + 30*day},
		{"ended now", store.Record{Ended: now, Updated: now}, 30 * day},
		{"ended, to expire in a year", store.Record{Ended: now, Updated: now, Expires: now.Add(365 * day)}, 30 * day},
		{"ended, updated ahead", store.Record{Ended: now, Updated: now.Add(day)}, 31 * day},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, ctx := open(t), t.Context()
			tc.rec.Subject = "alice"
			put(t, f, store.Key("long"), &store.Record{Subject: "alice", Expires: now.Add(100 * day)})
			got := put(t, f, store.Key("k"), &tc.rec)
			row := f.rowKey(t, got.Handle)
			for _, key := range keys(t, f.client, f.prefix) {
				ttl, err := f.client.PTTL(ctx, key).Result()
				if err != nil || ttl <= 0 {
					t.Errorf("%s has no TTL: %v, %v", key, ttl, err)
				}
				if off := (ttl - tc.want).Abs(); key == row && off > time.Minute {
					t.Errorf("the row's TTL is %v, want %v", ttl, tc.want)
				}
				if strings.HasPrefix(key, row[:strings.Index(row, "}")]) && ttl < tc.want-time.Minute && !strings.Contains(key, "}:") {
					t.Errorf("%s has a TTL of %v, less than its row's %v", key, ttl, tc.want)
				}
			}
		})
	}
}

// An ended record is replaced by a new one also when it ended ahead of the server's clock.
func TestStore_endedAhead(t *testing.T) {
	t.Parallel()
	f := open(t)
	ahead := time.Now().Add(time.Hour)
	put(t, f, store.Key("k"), &store.Record{ID: "R1", Ended: ahead, Updated: ahead, Expires: ahead.Add(time.Hour)})
	if rec, err := f.Put(t.Context(), store.Key("k"), &store.Record{ID: "R2"}); err != nil || rec.ID != "R2" {
		t.Errorf("got %v, %v", rec, err)
	}
}

// A row that the server dropped (eviction, TTL, an administrator) is absent, is not inserted by a replacement, and its
// index entries go when they are met.
func TestStore_droppedRows(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	live := put(t, f, store.Key("live"), &store.Record{ID: "L", Subject: "alice"})
	dead := put(t, f, store.Key("dead"), &store.Record{ID: "D", Subject: "alice", Ended: time.Now(), Updated: time.Now()})
	kept := put(t, f, store.Key("kept"), &store.Record{ID: "K", Subject: "alice"})
	for _, rec := range []*store.Record{live, dead} {
		if err := f.client.Del(ctx, f.rowKey(t, rec.Handle)).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Get(ctx, rec.Handle); got != nil || err != store.ErrNotFound {
			t.Errorf("Get: %v, %v", got, err)
		}
		if got, err := f.Put(ctx, rec.Handle, rec); got != nil || err != store.ErrNotFound {
			t.Errorf("Put: %v, %v", got, err)
		}
	}
	recs, next, err := f.List(ctx, "alice", "", 10)
	if err != nil || next != "" || len(recs) != 1 || recs[0].ID != kept.ID {
		t.Errorf("List: %v, %q, %v", recs, next, err)
	}
	n, err := f.Sweep(ctx, 10, func(_ context.Context, rec *store.Record) error { t.Errorf("visited %v", rec); return nil })
	if n != 0 || err != nil {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	raw := string(f.raw(t))
	for _, rec := range []*store.Record{live, dead} {
		if strings.Contains(raw, member(rec.Handle.Sum())) {
			t.Error("an index entry without a row is still there")
		}
	}
	if again := put(t, f, live.Handle, &store.Record{ID: "L2", Subject: "alice"}); again.Version == live.Version {
		t.Error("the version repeats")
	}
	if recs, _, err := f.List(ctx, "alice", "", 10); len(recs) != 2 || err != nil {
		t.Errorf("List after creating again: %v, %v", recs, err)
	}
}

// What is not this program's is an error, and stays as it is.
func TestStore_foreignRows(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		write func(ctx context.Context, c redis.UniversalClient, key string) error
	}{
		{"text", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return c.Set(ctx, key, "hello", time.Hour).Err()
		}},
		{"a newer format", func(ctx context.Context, c redis.UniversalClient, key string) error {
			row, err := c.Get(ctx, key).Result()
			return errors.Join(err, c.Set(ctx, key, "\x02"+row[1:], time.Hour).Err())
		}},
		{"a newer seal", func(ctx context.Context, c redis.UniversalClient, key string) error {
			other, err := seal.New(seal.NewKey())
			if err != nil {
				return err
			}
			sealed, err := other.Seal("n", &store.Record{})
			row, errGet := c.Get(ctx, key).Result()
			return errors.Join(err, errGet, c.Set(ctx, key, row[:headSize]+string(sealed), time.Hour).Err())
		}},
		{"another type", func(ctx context.Context, c redis.UniversalClient, key string) error {
			return errors.Join(c.Del(ctx, key).Err(), c.HSet(ctx, key, "a", "b").Err(), c.Expire(ctx, key, time.Hour).Err())
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, ctx := open(t), t.Context()
			rec := put(t, f, store.Key("k"), &store.Record{ID: "R", Subject: "alice"})
			key := f.rowKey(t, rec.Handle)
			if err := tc.write(ctx, f.client, key); err != nil {
				t.Fatal(err)
			}
			before := f.client.Dump(ctx, key).Val()
			unknown := func(op string, err error) {
				if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
					t.Errorf("%s: %v", op, err)
				}
			}
			got, err := f.Get(ctx, rec.Handle)
			unknown("Get", err)
			if got != nil {
				t.Errorf("Get: %v", got)
			}
			_, err = f.Put(ctx, rec.Handle, &store.Record{})
			unknown("Put that creates", err)
			if tc.name != "a newer seal" { // there the caller has the version, so it has read the record
				_, err = f.Put(ctx, rec.Handle, rec)
				unknown("Put that replaces", err)
			}
			if tc.name != "a newer seal" && f.client.Dump(ctx, key).Val() != before {
				t.Error("the row was changed")
			}
			_, _, err = f.List(ctx, "alice", "", 10)
			if tc.name != "a newer seal" {
				unknown("List", err)
			}
		})
	}
}

// A row that was cut off anywhere is no record, and no reason to fail otherwise.
func TestStore_truncatedRows(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	rec := put(t, f, store.Key("k"), &store.Record{ID: "R", Subject: "alice", Ended: time.Now(), Updated: time.Now()})
	key := f.rowKey(t, rec.Handle)
	row, err := f.client.Get(ctx, key).Result()
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(row) {
		if err := f.client.Set(ctx, key, row[:n], time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Get(ctx, rec.Handle); got != nil || err != store.ErrNotFound {
			t.Fatalf("cut to %d bytes: %v, %v", n, got, err)
		}
		if _, err := f.Put(ctx, rec.Handle, &store.Record{Version: "another"}); err != store.ErrConflict && err != store.ErrNotFound {
			t.Fatalf("cut to %d bytes: Put: %v", n, err)
		}
		if removed, err := f.Sweep(ctx, 10, func(context.Context, *store.Record) error { return nil }); removed != 0 || err != nil {
			t.Fatalf("cut to %d bytes: Sweep: %d, %v", n, removed, err)
		}
	}
	if err := f.Delete(ctx, rec.Handle, ""); err != nil {
		t.Fatal(err)
	}
	put(t, f, rec.Handle, &store.Record{ID: "R2"})
}

// However far away, the time of expiry means the same to the script that creates and to Get.
func TestStore_distantTimes(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, year := range []int{-200_000_000_000, -300_000, -1, 1, 1900, 1969, 2024, 2254, 2256, 9999, 300_000, 200_000_000_000} {
		h := store.Key(strconv.Itoa(year))
		put(t, f, h, &store.Record{ID: "R", Expires: time.Date(year, 2, 1, 0, 0, 0, 1000, time.UTC)})
		_, get := f.Get(t.Context(), h)
		_, create := f.Put(t.Context(), h, &store.Record{})
		if past := year < 2025; past != errors.Is(get, store.ErrNotFound) || past != (create == nil) {
			t.Errorf("year %d: Get says %v, creating says %v", year, get, create)
		}
	}
}

// A replica that does not have the key yet reads nothing, overwrites nothing and sweeps what it can.
func TestStore_unknownKey(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	other := newFixture(t, f.client, newRing(t), f.prefix)
	now := time.Now().Add(-time.Minute)
	live := put(t, f, store.Key("live"), &store.Record{ID: "L", Subject: "alice"})
	for i := range 3 {
		put(t, f, store.Key("ended", strconv.Itoa(i)), &store.Record{ID: "E", Ended: now, Updated: now})
	}
	put(t, other, store.Key("mine"), &store.Record{ID: "M", Ended: now.Add(time.Second), Updated: now.Add(time.Second)})
	if rec, err := other.Get(ctx, live.Handle); rec != nil || !errors.Is(err, seal.ErrUnreadable) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get: %v, %v", rec, err)
	}
	if rec, err := other.Put(ctx, live.Handle, &store.Record{}); rec != nil || err != store.ErrExists {
		t.Errorf("Put: %v, %v", rec, err)
	}
	if recs, _, err := other.List(ctx, "alice", "", 10); recs != nil || !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("List: %v, %v", recs, err)
	}
	var visited []string
	n, err := other.Sweep(ctx, 1, func(_ context.Context, rec *store.Record) error {
		visited = append(visited, rec.ID)
		return nil
	})
	if n != 1 || len(visited) != 1 || visited[0] != "M" || !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("Sweep: %d, %q, %v", n, visited, err)
	}
	if n, err := f.Sweep(ctx, 10, func(context.Context, *store.Record) error { return nil }); n != 3 || err != nil {
		t.Errorf("the key's owner sweeps %d, %v; want 3", n, err)
	}
}
