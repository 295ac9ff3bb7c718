package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// indexes returns the names of the due index and of a subject's index in the slot of h.
func (f *fixture) indexes(h store.Handle, subject string) (due, of string) {
	sum := h.Sum()
	tag := fmt.Sprintf("{%s%02x}", f.prefix, sum[0])
	return tag + "due", tag + "of:" + member(store.Key("subject", subject).Sum())
}

// Each write leaves exactly the entries that the row needs, so that neither index grows with what is over.
func TestStore_indexesFollowRows(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	h := store.Key("k")
	due, of := f.indexes(h, "alice")
	now := time.Now()
	rec := &store.Record{ID: "R", Subject: "alice"}
	for _, step := range []struct {
		name    string
		change  func()
		due, of float64 // score, or -1 for no entry
	}{
		{"created, never to expire", func() {}, -1, 0},
		{"to expire", func() { rec.Expires = time.UnixMicro(4e15) }, 4e15, 0},
		{"to expire sooner", func() { rec.Expires = time.UnixMicro(3e15 + 1) }, 3e15 + 1, 0},
		{"never to expire", func() { rec.Expires = time.Time{} }, -1, 0},
		{"ended", func() { rec.Ended = now }, float64(now.UnixMicro()), -1},
		{"ended and updated", func() { rec.Updated = now.Add(time.Second) }, float64(now.Add(time.Second).UnixMicro()), -1},
		{"alive again", func() { rec.Ended = time.Time{} }, -1, 0},
		{"to expire", func() { rec.Expires = time.UnixMicro(4e15) }, 4e15, 0},
		{"ended then", func() { rec.Ended, rec.Updated = rec.Expires, rec.Expires }, 4e15, -1},
	} {
		step.change()
		rec = put(t, f, h, rec)
		for index, want := range map[string]float64{due: step.due, of: step.of} {
			got, err := f.client.ZScore(ctx, index, member(h.Sum())).Result()
			if (err == nil) != (want >= 0) || err == nil && got != want {
				t.Errorf("%s: %s has %f (%v), want %f", step.name, index, got, err, want)
			}
		}
	}
	if err := f.Delete(ctx, h, rec.Version); err != nil {
		t.Fatal(err)
	}
	if n := f.client.ZCard(ctx, due).Val(); n != 0 {
		t.Errorf("deleted: the due index has %d entries", n)
	}

	put(t, f, h, &store.Record{ID: "R", Subject: "alice", Expires: now.Add(-time.Hour)})
	if n, err := f.Sweep(ctx, 10, func(context.Context, *store.Record) error { return nil }); n != 1 || err != nil {
		t.Fatalf("Sweep: %d, %v", n, err)
	}
	if left := keys(t, f.client, f.prefix); len(left) != 0 {
		t.Errorf("swept, and left behind: %q", left)
	}
}

// An index lives as long as the row of it that lives longest, in whatever order they were written.
func TestStore_indexesOutliveRows(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	bySlot := map[byte]store.Handle{}
	var a, b store.Handle
	for i := 0; a == b; i++ {
		h := store.Key(strconv.Itoa(i))
		sum := h.Sum()
		if other, ok := bySlot[sum[0]]; ok {
			a, b = h, other
		}
		bySlot[sum[0]] = h
	}
	now := time.Now()
	rec := put(t, f, a, &store.Record{Subject: "alice", Expires: now.Add(time.Hour)})
	put(t, f, b, &store.Record{Subject: "alice", Expires: now.Add(1000 * time.Hour)})
	put(t, f, a, rec)
	due, of := f.indexes(a, "alice")
	for _, index := range []string{due, of} {
		if ttl, want := f.client.TTL(ctx, index).Val(), (1000+30*24-1)*time.Hour; ttl < want {
			t.Errorf("%s has a TTL of %v, want %v and more", index, ttl, want)
		}
	}
}

// An entry is dropped only if the row is as it was when it showed the entry to be wrong.
func TestStore_dropsOnlyWhatIsStillWrong(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	h := store.Key("k")
	due, of := f.indexes(h, "alice")
	old := put(t, f, h, &store.Record{ID: "R", Subject: "alice", Expires: time.UnixMicro(4e15)})
	rec := put(t, f, h, old)
	for _, v := range []store.Version{"", old.Version} {
		for _, index := range []string{due, of} {
			if err := f.Drop(ctx, h, v, index); err != nil {
				t.Fatal(err)
			}
			if n := f.client.ZCard(ctx, index).Val(); n != 1 {
				t.Errorf("%s was dropped by one who saw version %q", index, v)
			}
		}
	}
	if err := f.Drop(ctx, h, rec.Version, of); err != nil || f.client.ZCard(ctx, of).Val() != 0 {
		t.Errorf("the entry is still there: %v", err)
	}
}

// A row whose life is counted from the last write takes its indexes along.
func TestStore_indexesLiveOn(t *testing.T) {
	t.Parallel()
	past := time.Now().Add(-time.Hour)
	for name, rec := range map[string]*store.Record{
		"never expires": {Subject: "alice"},
		"expired":       {Subject: "alice", Expires: past},
		"ended":         {Subject: "alice", Ended: past, Updated: past},
	} {
		f, ctx, h := open(t), t.Context(), store.Key("k")
		rec = put(t, f, h, rec)
		indexes := keys(t, f.client, f.prefix)
		for _, key := range indexes {
			if err := f.client.Expire(ctx, key, time.Hour).Err(); err != nil { // as if long ago
				t.Fatal(err)
			}
		}
		put(t, f, h, rec)
		for _, key := range indexes {
			if ttl := f.client.TTL(ctx, key).Val(); ttl < 29*24*time.Hour {
				t.Errorf("%s: %s has a TTL of %v", name, key, ttl)
			}
		}
	}
}
