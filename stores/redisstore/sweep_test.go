package redisstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// inSlot returns the i-th handle of a slot.
func inSlot(slot byte, i int) store.Handle {
	sum := [32]byte{slot}
	binary.BigEndian.PutUint32(sum[28:], uint32(i))
	return store.Hashed(sum)
}

// More is due than is asked for at once, unevenly spread over the slots, with ties and with visits that fail: the order
// is that of all slots together, and every record is visited once.
func TestStore_Sweep_manyDue(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	var want []time.Time
	add := func(slot byte, i int, at time.Time) {
		put(t, f, inSlot(slot, i), &store.Record{ID: fmt.Sprint(slot, i), Ended: at, Updated: at})
		want = append(want, at)
	}
	for i := range 200 {
		add(1, i, start.Add(time.Duration(i)*time.Second))
	}
	for i := range 80 {
		add(2, i, start.Add(100*time.Second)) // at the same time
	}
	for i := range 20 {
		add(byte(3+i), i, start.Add(time.Duration(i*10)*time.Second+time.Millisecond))
	}
	slices.SortFunc(want, time.Time.Compare)

	var order []time.Time
	times := map[string]int{}
	removed, err := f.Sweep(ctx, 1_000, func(_ context.Context, rec *store.Record) error {
		order = append(order, rec.Due())
		times[rec.ID]++
		if len(order)%3 == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || removed != 200 {
		t.Errorf("removed %d, %v; want 200 of 300", removed, err)
	}
	if !slices.EqualFunc(order, want, time.Time.Equal) {
		t.Errorf("visited %d out of order or not all, want %d", len(order), len(want))
	}
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was visited %d times", id, n)
		}
	}
	for _, p := range []struct{ n, want int }{{70, 70}, {70, 30}, {70, 0}} { // those whose visit failed
		removed, err := f.Sweep(ctx, p.n, func(context.Context, *store.Record) error { return nil })
		if err != nil || removed != p.want {
			t.Errorf("removed %d, %v; want %d", removed, err, p.want)
		}
	}
	if left := keys(t, f.client, f.prefix); len(left) != 0 {
		t.Errorf("%d keys are left behind", len(left))
	}
}

// A subject with many records in few slots is listed whole, in pages of any size.
func TestStore_List_manyInOneSlot(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	total := 0
	for slot, n := range map[byte]int{0: 30, 63: 1, 64: 41, 200: 2, 255: 26} {
		for i := range n {
			put(t, f, inSlot(slot, i), &store.Record{ID: fmt.Sprint(slot, " ", i), Subject: "alice"})
			total++
		}
	}
	for _, n := range []int{1, 7, 30, 41, 99, 100, 101, 1_000} {
		times := map[string]int{}
		for cursor, pages := "", 0; ; pages++ {
			recs, next, err := f.List(ctx, "alice", cursor, n)
			if err != nil || len(recs) > n || len(recs) < n && next != "" || pages > total {
				t.Fatalf("pages of %d: %d records, %q, %v", n, len(recs), next, err)
			}
			for _, rec := range recs {
				times[rec.ID]++
			}
			if cursor = next; next == "" {
				break
			}
		}
		if len(times) != total {
			t.Errorf("pages of %d: %d records, want %d", n, len(times), total)
		}
		for id, n := range times {
			if n != 1 {
				t.Errorf("%s is listed %d times", id, n)
			}
		}
	}
}
