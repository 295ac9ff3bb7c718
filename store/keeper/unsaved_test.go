package keeper_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// A token that the store has not taken yet expires, and somebody changes the record between the next refresh's read and
// its lease: what is sent is the refresh token in memory, never the spent one that the store still has.
func TestUnsavedTokenIsWhatIsSentNext(t *testing.T) {
	faultTest(t, kinds, func(b *bench) {
		var down, touched atomic.Bool
		down.Store(true)
		other := b.process(nil)
		k := b.over(&tamper{TokenStore: b.mem, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			switch {
			case down.Load() && next.Generation > 0:
				return nil, errors.New("down")
			case !down.Load() && touched.CompareAndSwap(false, true):
				if _, err := other.Update(background, chaosKey, func(r *store.Record) error { r.Subject = "v"; return nil }); err != nil {
					b.t.Error(err)
				}
			}
			return do()
		}}, nil)
		first := b.get(k)
		time.Sleep(time.Until(first.Token.Expiry))
		synctest.Wait()
		down.Store(false)
		rec := b.get(k)
		if rec.Token.AccessToken == first.Token.AccessToken || rec.Subject != "v" {
			b.t.Errorf("got %v", rec)
		}
		b.wantCalls(2)
		if log := b.calls("refresh"); b.kind != p0 && len(log) > 1 && log[0].token == log[1].token {
			b.t.Errorf("the spent token was sent again: %v", log)
		}
	})
}

// While an answer is not saved yet, another process's lease and what it notes in the record are respected.
func TestUnsavedTokenHidesNobodysLease(t *testing.T) {
	faultTest(t, twiceIsFine, func(b *bench) {
		k := b.over(&tamper{TokenStore: b.mem, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			if next.Generation > 0 && next.Ended.IsZero() {
				return nil, errors.New("down")
			}
			return do()
		}}, nil)
		b.get(k)
		time.Sleep(20 * time.Second) // its lease has run out
		b.latency = 5 * time.Second
		b.abandon(b.process(nil))
		if err := k.End(background, chaosKey); err != nil {
			b.t.Fatal(err)
		}
		time.Sleep(time.Second)
		if rec := b.row(); rec.Ended.IsZero() {
			b.t.Errorf("got %v, want it kept for what the other process brings", rec)
		}
		time.Sleep(time.Minute)
		if _, err := b.process(nil).Sweep(background, 10); err != nil {
			b.t.Error(err)
		}
		for text := range b.tokens {
			if b.usable(text) && (text != b.rec.Token.RefreshToken || b.kind == p0) { // a grace outlives the spent one
				b.t.Errorf("%s was not revoked", text)
			}
		}
	})
}

// OnUnsaved may take its time, or never return: the callers are served.
func TestOnUnsavedKeepsNobodyWaiting(t *testing.T) {
	faultTest(t, kinds[:1], func(b *bench) {
		block := make(chan struct{})
		defer close(block)
		k := b.over(&tamper{TokenStore: b.mem, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			if next.Generation > 0 {
				return nil, errors.New("down")
			}
			return do()
		}}, &keeper.Options{OnUnsaved: func(*store.Record) { <-block }})
		began := time.Now()
		b.get(k)
		if d := time.Since(began); d > 5*time.Second {
			b.t.Errorf("served after %v", d)
		}
	})
}
