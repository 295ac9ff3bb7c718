package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// An entry whose row is another subject's is dropped when it is met, and one that became right meanwhile stays.
func TestStore_List_dropsEntriesOfOthers(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	rec := put(t, f, store.Key("k"), &store.Record{ID: "R", Subject: "alice", Expires: time.Now().Add(time.Hour)})
	rec.Subject = "bob" // and nothing else that stands in an index
	rec = put(t, f, rec.Handle, rec)
	index := func(subject string) string {
		sum := rec.Handle.Sum()
		return fmt.Sprintf("{%s%02x}of:%s", f.prefix, sum[0], member(store.Key("subject", subject).Sum()))
	}
	for subject, want := range map[string]int{"alice": 0, "bob": 1} {
		recs, _, err := f.List(ctx, subject, "", 10)
		if len(recs) != want || err != nil {
			t.Errorf("%s: %v, %v", subject, recs, err)
		}
		if n := f.client.ZCard(ctx, index(subject)).Val(); n != int64(want) {
			t.Errorf("%s: %d entries are left, want %d", subject, n, want)
		}
	}
}

func TestStore_List_cursor(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, cursor := range []string{"x", "-", member([32]byte{}) + "A", "\x00"} {
		if recs, next, err := f.List(t.Context(), "alice", cursor, 10); err == nil || recs != nil || next != "" {
			t.Errorf("cursor %q: %v, %q, %v", cursor, recs, next, err)
		}
	}
	if recs, next, err := f.List(t.Context(), "alice", "", 0); recs != nil || next != "" || err != nil {
		t.Errorf("no records wanted: %v, %q, %v", recs, next, err)
	}
}
