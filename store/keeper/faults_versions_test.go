package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// F25 of the protocol's table: processes of two versions over one store, of which the older cannot read what the newer
// writes into a record.

const newerFormat = 2

// upgraded is the store as a newer version of the keeper sees it: it writes states of the next format and reads both.
type upgraded struct{ *memstore.Store }

func relabel(rec *store.Record, format byte) *store.Record {
	if rec == nil || len(rec.Refresh) == 0 {
		return rec
	}
	rec = rec.Clone()
	rec.Refresh[0] = format
	return rec
}

// Get implements store.TokenStore.
func (u upgraded) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	rec, err := u.Store.Get(ctx, h)
	return relabel(rec, 1), err
}

// Put implements store.TokenStore.
func (u upgraded) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	rec, err := u.Store.Put(ctx, h, relabel(rec, newerFormat))
	return relabel(rec, 1), err
}

// Sweep implements store.Sweeper.
func (u upgraded) Sweep(ctx context.Context, n int, visit func(context.Context, *store.Record) error) (int, error) {
	return u.Store.Sweep(ctx, n, func(ctx context.Context, rec *store.Record) error { return visit(ctx, relabel(rec, 1)) })
}

// Four processes of each version, twenty rounds: one call a round, whoever makes it; the older serve what they can
// read, answer that they are unavailable otherwise, and never write over it; logout by any of them holds for all.
func TestF25OldAndNewSideBySide(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		var older, newer []*keeper.Keeper
		for range 4 {
			older, newer = append(older, b.process(nil)), append(newer, b.over(upgraded{b.mem}, nil))
		}
		const rounds = 20
		for round := range rounds {
			var all sync.WaitGroup
			for i := range older {
				all.Go(func() {
					if _, err := older[i].Get(background, chaosKey); err != nil && !errors.Is(err, keeper.ErrUnavailable) {
						b.t.Errorf("round %d, older: %v", round, err)
					}
				})
				if round > 0 { // the first is the older ones' own
					all.Go(func() { b.get(newer[i]) })
				}
			}
			all.Wait()
			b.wantCalls(round + 1)
			time.Sleep(2 * time.Hour)
		}
		row := b.row()
		if row.Generation != rounds || !b.usable(row.Token.RefreshToken) || row.Refresh[0] != newerFormat {
			b.t.Errorf("the row: %v, format %d", row, row.Refresh[0])
		}
		if err := older[0].End(background, chaosKey); err != nil {
			b.t.Fatal(err)
		}
		for _, k := range append(older, newer...) {
			if _, err := k.Get(background, chaosKey); !errors.Is(err, store.ErrNotFound) {
				b.t.Errorf("after logout: %v", err)
			}
		}
		time.Sleep(time.Minute)
		older[0].Sweep(background, 10) // cannot tell what is to be revoked, and leaves it
		if n, err := newer[0].Sweep(background, 10); n != 1 || err != nil {
			b.t.Errorf("Sweep: %d, %v", n, err)
		}
		if live := b.live(); len(live) > 0 {
			b.t.Errorf("alive after logout: %v", live)
		}
	})
}

// foreign are refresh states that this version cannot read.
var foreign = map[string]func(own []byte) []byte{
	"newer":   func(own []byte) []byte { return append([]byte{newerFormat}, own[1:]...) },
	"zero":    func(own []byte) []byte { return append([]byte{newerFormat}, make([]byte, 20)...) },
	"short":   func([]byte) []byte { return []byte{1, 2} },
	"no JSON": func(own []byte) []byte { return append(own[:9:9], "?"...) },
	"member": func(own []byte) []byte {
		return append(own[:len(own)-1:len(own)-1], `,"member of a later version":1}`...)
	},
}

// A state that this version cannot read: nothing is decided on it, nothing is sent, nothing is written over it.
func TestF25UnreadableStateFailsClosed(t *testing.T) {
	for name, spoil := range foreign {
		for _, life := range []time.Duration{-time.Minute, time.Hour} {
			t.Run(fmt.Sprint(name, life), func(t *testing.T) {
				faultTest(t, []kind{p2}, func(b *bench) {
					k := b.process(nil)
					row := b.row()
					row.Refresh, row.Subject = spoil(row.Refresh), "u"
					row.Token.Expiry = time.Now().Add(life)
					row, err := b.mem.Put(background, chaosKey, row)
					if err != nil {
						b.t.Fatal(err)
					}
					for what, call := range map[string]func() error{
						"Get":         func() error { _, err := k.Get(background, chaosKey); return err },
						"Refresh":     func() error { _, err := k.Refresh(background, chaosKey); return err },
						"Client":      func() error { _, err := k.Client(chaosKey, api).Get(api); return err },
						"Start":       func() error { _, err := k.Start(background, chaosKey, chaosRecord(b.login())); return err },
						"EndSessions": func() error { return k.EndSessions(background, "u") },
					} {
						if life > 0 && (name == "no JSON" || name == "member") && (what == "Get" || what == "Client") {
							continue // what every Get needs stands before that
						}
						if err := call(); !errors.Is(err, keeper.ErrUnavailable) {
							b.t.Errorf("%s: %v, want ErrUnavailable", what, err)
						}
					}
					b.wantCalls(0)
					if now := b.row(); now.Version != row.Version {
						b.t.Errorf("the row was written: %v", now)
					}
					until := time.Now().Add(time.Hour)
					if _, err := k.Update(background, chaosKey, func(r *store.Record) error { r.Expires = until; return nil }); err != nil {
						b.t.Errorf("Update: %v", err)
					}
					if err := k.End(background, chaosKey); err != nil {
						b.t.Errorf("End: %v", err)
					}
					time.Sleep(time.Minute)
					if now := b.row(); !bytes.Equal(now.Refresh, row.Refresh) || now.Ended.IsZero() || now.Token.RefreshToken != row.Token.RefreshToken {
						b.t.Errorf("the ended row lost what a newer version needs: %v", now)
					}
				})
			})
		}
	}
}

// The lease was taken by this version, and a newer one has written the record when the answer is there: callers are
// served, the newer state stays, and the answer is kept until it can be stored.
func TestF25CommitMeetsNewerState(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) {
		newer := func(format byte) {
			row := b.row()
			if _, err := b.mem.Put(background, chaosKey, relabel(row, format)); err != nil {
				b.t.Error(err)
			}
		}
		b.next(func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
			newer(newerFormat)
			return serve()
		})
		k := b.process(nil)
		rec := b.get(k)
		if row := b.row(); row.Generation != 0 || row.Refresh[0] != newerFormat {
			b.t.Errorf("the newer state was written over: %v", row)
		}
		newer(1)
		time.Sleep(10 * time.Second)
		if row := b.row(); row.Token.RefreshToken != rec.Token.RefreshToken {
			b.t.Errorf("the answer was lost: %v", row)
		}
	})
}
