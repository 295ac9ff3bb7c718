package redisstore_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// A server whose clock is put back a little does not take time back; one that was far ahead by mistake is believed again.
func TestStore_clock(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	rec := put(t, f, store.Key("k"), &store.Record{ID: "R", Expires: time.Now().Add(20 * time.Second)})
	for _, tc := range []struct {
		name   string
		ahead  time.Duration
		stands bool
	}{
		{"in step", -time.Hour, false},
		{"a little ahead", 30 * time.Second, true},
		{"far ahead", time.Hour, false},
	} {
		seen := time.Now().Add(tc.ahead).Truncate(time.Microsecond)
		f.Seen(seen)
		got, err := f.Get(ctx, rec.Handle)
		if tc.stands {
			if err != store.ErrNotFound {
				t.Errorf("%s: got %v, %v; it has expired by the time that was told", tc.name, got, err)
			}
			again, err := f.Put(ctx, rec.Handle, &store.Record{ID: "R2"})
			if err != nil || !again.ReadAt.Equal(seen) {
				t.Errorf("%s: Put over what has expired: %v, %v", tc.name, again, err)
			}
			rec = again
			continue
		}
		if err != nil || time.Until(got.ReadAt).Abs() > 10*time.Second {
			t.Errorf("%s: got %v, %v", tc.name, got, err)
		}
		if off := time.Since(f.LastSeen()).Abs(); off > 10*time.Second {
			t.Errorf("%s: it goes on from a time that is %v off", tc.name, off)
		}
	}
}

// Put reports what Get will read.
func TestStore_reportsWhatIsStored(t *testing.T) {
	t.Parallel()
	f := open(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("", 3600))
	in := &store.Record{ID: "R", Created: at, Updated: at, Expires: at.AddDate(100, 0, 0), Token: store.Token{Expiry: at}}
	out := put(t, f, store.NewCredential("session"), in)
	got, err := f.Get(t.Context(), out.Handle)
	if err != nil {
		t.Fatal(err)
	}
	got.ReadAt = out.ReadAt
	if !reflect.DeepEqual(got, out) {
		t.Errorf("put %#v\ngot %#v", *out, *got)
	}
	if in.Created != at || !in.Handle.IsZero() || in.Version != "" {
		t.Errorf("Put changed the record: %#v", *in)
	}
}
