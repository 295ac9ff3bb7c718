package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// F20 and F21 of the protocol's table: a store that takes back what it acknowledged.

// ledger is a store that can go back to an earlier state, versions included: what the promotion of a replica that lags
// behind does, or a backup.
type ledger struct {
	mu    sync.Mutex
	rows  map[[32]byte]*store.Record
	count int
	wrote func(next *store.Record) // called after a write that is acknowledged next; may be nil
}

func newLedger() *ledger { return &ledger{rows: map[[32]byte]*store.Record{}} }

// Get implements store.TokenStore.
func (l *ledger) Get(_ context.Context, h store.Handle) (*store.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row := l.rows[h.Sum()]
	if row == nil {
		return nil, store.ErrNotFound
	}
	rec := row.Clone()
	rec.Handle, rec.ReadAt = h, time.Now()
	if !rec.Ended.IsZero() {
		return rec, store.ErrEnded
	}
	return rec, nil
}

// Put implements store.TokenStore.
func (l *ledger) Put(_ context.Context, h store.Handle, next *store.Record) (*store.Record, error) {
	rec, err := l.put(h, next)
	if err == nil && l.wrote != nil {
		l.wrote(next)
	}
	return rec, err
}

func (l *ledger) put(h store.Handle, next *store.Record) (*store.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row := l.rows[h.Sum()]
	switch {
	case next.Version == "" && row != nil && row.Ended.IsZero():
		return nil, store.ErrExists
	case next.Version != "" && row == nil:
		return nil, store.ErrNotFound
	case next.Version != "" && row.Version != next.Version:
		return nil, store.ErrConflict
	}
	l.count++
	row = next.Clone()
	row.Version = store.Version(fmt.Sprint("v", l.count))
	l.rows[h.Sum()] = row
	rec := row.Clone()
	rec.Handle, rec.ReadAt = h, time.Now()
	return rec, nil
}

// Delete implements store.TokenStore.
func (l *ledger) Delete(_ context.Context, h store.Handle, v store.Version) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if row := l.rows[h.Sum()]; row != nil && (v == "" || row.Version == v) {
		delete(l.rows, h.Sum())
	}
	return nil
}

// copied is the state to go back to.
func (l *ledger) copied() map[[32]byte]*store.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.rows)
}

func (l *ledger) goBack(rows map[[32]byte]*store.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows = maps.Clone(rows)
}

// onLedger is the bench with its grant in a ledger.
func onLedger(b *bench) *ledger {
	b.t.Helper()
	l := newLedger()
	if _, err := b.over(l, nil).Start(background, chaosKey, chaosRecord(b.login())); err != nil {
		b.t.Fatal(err)
	}
	return l
}

// once goes back to rows after the first acknowledged write that is as described.
func (l *ledger) once(rows map[[32]byte]*store.Record, when func(next *store.Record) bool) {
	var done sync.Once
	l.wrote = func(next *store.Record) {
		if when(next) {
			done.Do(func() { l.goBack(rows) })
		}
	}
}

func isLease(next *store.Record) bool  { return next.Generation == 0 && len(next.Refresh) > 0 }
func isCommit(next *store.Record) bool { return next.Generation == 1 }

// The lease is lost while its holder is at the provider: the answer is stored all the same, and nobody else has sent.
func TestF20FailoverLosesTheLease(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		l := onLedger(b)
		before := l.copied()
		l.once(before, isLease)
		rec := b.get(b.over(l, nil))
		if row, err := l.Get(background, chaosKey); err != nil || row.Generation != 1 || row.Token.AccessToken != rec.Token.AccessToken {
			b.t.Errorf("the row: %v, %v", row, err)
		}
		b.wantCalls(1)
	})
}

// The lease is lost, and another process takes one of the same number and sends beside the first: who is refused waits
// for the other, and the grant is not declared dead.
func TestF20FailoverLosesTheLeaseBesideAnother(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) {
		l := onLedger(b)
		l.once(l.copied(), isLease)
		b.next(func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
			time.Sleep(2 * time.Second) // the first to ask is refused
			return serve()
		}, func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
			tok, err := serve()
			time.Sleep(3 * time.Second)
			return tok, err
		})
		var both sync.WaitGroup
		first, second := b.over(l, nil), b.over(l, nil)
		both.Go(func() { b.get(first) })
		synctest.Wait()
		both.Go(func() { b.get(second) })
		both.Wait()
		b.wantCalls(2)
	})
}

// The acknowledged commit is lost, with or without the lease before it: as F5. The old refresh token is sent again, a
// grace answers it, and elsewhere that grant is lost, once and no other.
func TestF20FailoverLosesTheCommit(t *testing.T) {
	for name, back := range map[string]func(l *ledger){
		"and the lease": func(l *ledger) { l.once(l.copied(), isCommit) },
		"alone": func(l *ledger) {
			l.wrote = func(next *store.Record) {
				if isLease(next) {
					l.once(l.copied(), isCommit)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			faultTest(t, allKinds, func(b *bench) {
				l := onLedger(b)
				back(l)
				other := store.Key("partner", "43")
				if _, err := b.over(l, nil).Start(background, other, chaosRecord(b.login())); err != nil {
					b.t.Fatal(err)
				}
				b.get(b.over(l, nil)) // served before the store took it back
				l.wrote = nil
				k := b.over(l, nil)
				rec, err := k.Get(background, chaosKey)
				if b.kind.forgiving() {
					if err != nil || !b.usable(rec.Token.RefreshToken) {
						b.t.Errorf("Get: %v, %v", rec, err)
					}
					b.wantCalls(2)
					return
				}
				if !errors.Is(err, keeper.ErrLoginRequired) {
					b.t.Errorf("Get: %v, want a login required", err)
				}
				b.wantCalls(2)
				if _, err := k.Get(background, chaosKey); !errors.Is(err, keeper.ErrLoginRequired) {
					b.t.Errorf("Get again: %v", err)
				}
				b.wantCalls(2)
				fresh, err := k.Start(background, chaosKey, chaosRecord(b.login()))
				if err != nil {
					b.t.Fatal(err)
				}
				if rec := b.get(k); rec.ID != fresh.ID {
					b.t.Error("the new login is not what is served")
				}
			})
		})
	}
}

// A process that holds a newer record than the store does after the failover refreshes the older one, and serves that.
func TestF20FailoverUnderACaller(t *testing.T) {
	faultTest(t, twiceIsFine, func(b *bench) {
		l := onLedger(b)
		k := b.over(l, nil)
		before := l.copied()
		b.get(k)
		time.Sleep(59 * time.Minute)
		stale := true
		slow := &tamper{TokenStore: l, get: func(do func() (*store.Record, error)) (*store.Record, error) {
			rec, err := do()
			if stale {
				stale = false
				l.goBack(before)
			}
			return rec, err
		}}
		rec, err := b.over(slow, nil).Refresh(background, chaosKey)
		if err != nil || !b.usable(rec.Token.RefreshToken) {
			b.t.Fatalf("Refresh: %v, %v", rec, err)
		}
		if row, err := l.Get(background, chaosKey); err != nil || row.Token.AccessToken != rec.Token.AccessToken {
			b.t.Errorf("the row: %v, %v; served %v", row, err, rec)
		}
		if n := len(b.calls("refresh")); n > 3 {
			b.t.Errorf("%d calls", n)
		}
	})
}

// A lost logout: the session is back, as documented, until its token runs out; what it holds was revoked, so that it
// ends there, and a second logout holds.
func TestF20FailoverLosesALogout(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		l := onLedger(b)
		k := b.over(l, nil)
		b.get(k)
		before := l.copied()
		if err := k.End(background, chaosKey); err != nil {
			b.t.Fatal(err)
		}
		time.Sleep(time.Second) // for the revocation
		l.goBack(before)
		b.get(k)
		time.Sleep(2 * time.Hour)
		if _, err := k.Get(background, chaosKey); !errors.Is(err, keeper.ErrLoginRequired) {
			b.t.Errorf("Get after the access token's end: %v", err)
		}
		if err := k.End(background, chaosKey); err != nil {
			b.t.Fatal(err)
		}
		if _, err := k.Get(background, chaosKey); !errors.Is(err, store.ErrNotFound) {
			b.t.Errorf("Get after the second logout: %v", err)
		}
	})
}

// A backup is put back after days: logouts older than it hold, nobody gets another's token, a grant whose refresh token
// is too old asks for one login, each with one call, and the login heals it.
func TestF21Backup(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		l := newLedger()
		k := b.over(l, nil)
		user := func(i int) store.Handle { return store.Key("user", fmt.Sprint(i)) }
		const users = 6
		begin := func(i int) *store.Record {
			rec := chaosRecord(b.login())
			rec.Subject = fmt.Sprint("user", i)
			out, err := k.Start(background, user(i), rec)
			if err != nil {
				b.t.Fatal(err)
			}
			return out
		}
		family := map[string]int{} // by record ID
		for i := range users {
			rec := begin(i)
			family[rec.ID] = familyOf(rec.Token.RefreshToken)
		}
		end := func(i int) {
			if err := k.End(background, user(i)); err != nil {
				b.t.Fatal(err)
			}
		}
		end(0)
		backup := l.copied()
		for range 3 {
			for i := 1; i < users; i++ {
				if _, err := k.Get(background, user(i)); err != nil {
					b.t.Fatal(err)
				}
			}
			time.Sleep(24 * time.Hour)
		}
		end(1)
		rec := begin(2)
		family[rec.ID] = familyOf(rec.Token.RefreshToken)
		time.Sleep(time.Minute)
		calls := len(b.calls("refresh"))
		l.goBack(backup)

		if _, err := k.Get(background, user(0)); !errors.Is(err, store.ErrNotFound) {
			b.t.Errorf("a logout older than the backup: %v", err)
		}
		for i := 1; i < users; i++ {
			for range 5 {
				rec, err := k.Get(background, user(i))
				switch {
				case err == nil:
					if rec.Subject != fmt.Sprint("user", i) || familyOf(rec.Token.AccessToken) != family[rec.ID] {
						b.t.Errorf("user %d got %v with %s", i, rec, rec.Token.AccessToken)
					}
				case !errors.Is(err, keeper.ErrLoginRequired):
					b.t.Errorf("user %d: %v", i, err)
				case b.kind == p0 && i > 2:
					b.t.Errorf("user %d: %v", i, err)
				}
			}
		}
		if n := len(b.calls("refresh")) - calls; n != users-1 {
			b.t.Errorf("%d calls for %d grants", n, users-1)
		}
		for i := range users {
			fresh := begin(i)
			if rec, err := k.Get(background, user(i)); err != nil || rec.ID != fresh.ID {
				b.t.Errorf("user %d after a new login: %v, %v", i, rec, err)
			}
		}
	})
}
