package keeper_test

import (
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// What Start refuses, Update does not let in: a grant that is no Key or stands beside a token, a session of nobody.
func TestUpdateRefusesWhatStartRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		own := w.start(time.Hour)
		shares, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Grant: store.Key("a")})
		if err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct {
			rec  *store.Record
			fn   func(*store.Record)
			want string
		}{
			"a credential as grant":  {shares, func(r *store.Record) { r.Grant = own.Handle }, "must be a Key"},
			"a grant beside a token": {own, func(r *store.Record) { r.Grant = store.Key("a") }, "not both"},
			"no subject":             {own, func(r *store.Record) { r.Subject = "" }, "needs a Subject"},
		} {
			if _, err := w.keep.Update(t.Context(), tt.rec.Handle, func(r *store.Record) error { tt.fn(r); return nil }); err == nil || !contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", name, err)
			}
			if now, err := w.tokens.Get(t.Context(), tt.rec.Handle); err != nil || now.Version != tt.rec.Version {
				t.Errorf("%s: the record was written: %v", name, err)
			}
		}
		if _, err := w.keep.Update(t.Context(), shares.Handle, func(r *store.Record) error { r.Grant = store.Key("b"); return nil }); err != nil {
			t.Errorf("another grant: %v", err)
		}
	})
}
