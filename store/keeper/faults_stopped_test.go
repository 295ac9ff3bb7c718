package keeper_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// F10 of the protocol's table: a process that is stopped for longer than its lease.

// The process stops for two leases between the provider's answer and the commit. Nothing is lost where a second use is
// not punished: its answer is still committed when it goes on.
func TestF10StoppedBetweenAnswerAndCommit(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		b.next(func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
			tok, err := serve()
			time.Sleep(2 * defaultLease)
			return tok, err
		})
		stopped := b.process(nil)
		go stopped.Get(background, chaosKey)
		synctest.Wait()
		b.process(nil).Get(background, chaosKey) // takes over
		b.wantCalls(2)
		time.Sleep(2 * defaultLease)
		if b.kind == p3 {
			if !b.killed(0) {
				b.t.Error("the provider does not punish: the test is blunt")
			}
			return
		}
		if text := b.row().Token.RefreshToken; !b.usable(text) {
			b.t.Errorf("the row holds %s, the provider %v", text, b.live(0))
		}
		b.get(b.process(nil))
	})
}

// The process stops for two leases before it has sent: it finds out, and does not send.
func TestF10StoppedBeforeSend(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		slow := &tamper{TokenStore: b.mem, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			rec, err := do()
			if next.Generation == 0 {
				time.Sleep(2 * defaultLease)
			}
			return rec, err
		}}
		var stopped sync.WaitGroup
		k := b.over(slow, nil)
		stopped.Go(func() { b.get(k) })
		synctest.Wait()
		b.get(b.process(nil))
		stopped.Wait()
		b.wantCalls(1)
	})
}

// The process stops between its check and its send, and is refused while another's answer is on its way: that is no
// verdict on the grant, and it waits for the other.
func TestF10RefusedWhileAnotherIsUnderWay(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) {
		b.next(func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
			time.Sleep(defaultLease + 1500*time.Millisecond)
			return serve()
		}, func(ctx context.Context, serve func() (store.Token, error)) (store.Token, error) {
			tok, err := serve()
			wait(ctx, 3*time.Second)
			return tok, err
		})
		var both sync.WaitGroup
		k, other := b.process(nil), b.process(nil)
		both.Go(func() { b.get(k) })
		synctest.Wait()
		both.Go(func() { b.get(other) })
		both.Wait()
		b.wantCalls(2)
	})
}

// The answer of a stopped process comes in under another's lease, whose own send fails: both have the token, and
// neither lease nor back-off is left.
func TestF10LateAnswerUnderAnothersLease(t *testing.T) {
	faultTest(t, allKinds, func(b *bench) {
		b.next(func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
			tok, err := serve()
			time.Sleep(defaultLease + 2*time.Second)
			return tok, err
		}, func(ctx context.Context, _ func() (store.Token, error)) (store.Token, error) {
			wait(ctx, 3500*time.Millisecond)
			return store.Token{}, &fault{"503", keeper.RetryLater}
		})
		var both sync.WaitGroup
		k, other := b.process(nil), b.process(nil)
		both.Go(func() { b.get(k) })
		synctest.Wait()
		both.Go(func() { b.get(other) })
		both.Wait()
		began := time.Now()
		if _, err := other.Refresh(background, chaosKey); err != nil || time.Since(began) > b.latency {
			b.t.Errorf("the next refresh took %v: %v", time.Since(began), err)
		}
		b.wantCalls(2)
	})
}

// Two answers to one refresh token: the one that came first is stored and dead, since the provider keeps the newest
// only. A third process is refused with it, and meanwhile the newest comes in, of the same generation: that is what
// counts, and the refusal of the other is no verdict on the grant.
func TestF10RefusedWhileASiblingComesIn(t *testing.T) {
	faultTest(t, []kind{p1c}, func(b *bench) {
		stopped := func(d time.Duration) move {
			return func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
				tok, err := serve()
				time.Sleep(d)
				return tok, err
			}
		}
		b.next(stopped(defaultLease+5*time.Second), stopped(2*defaultLease), stopped(3*time.Second))
		first, second, third := b.process(nil), b.process(nil), b.process(nil)
		go first.Get(background, chaosKey)
		synctest.Wait()
		go second.Get(background, chaosKey) // takes over after a lease, and is stopped for two
		time.Sleep(3*defaultLease - time.Second)
		rec, err := third.Refresh(background, chaosKey)
		if err != nil || !b.usable(rec.Token.RefreshToken) {
			b.t.Errorf("Refresh: %v, %v", rec, err)
		}
		if row := b.row(); !b.usable(row.Token.RefreshToken) {
			b.t.Errorf("the row holds %s, the provider %v", row.Token.RefreshToken, b.live())
		}
		b.wantCalls(4)
	})
}

// A keeper that waits for another process's lease takes none of its own once Close has been called.
func TestCloseTakesNoLease(t *testing.T) {
	faultTest(t, kinds, func(b *bench) {
		b.next(die) // the holder dies before it sends
		b.abandon(b.process(nil))
		k := b.process(nil)
		waited := make(chan error)
		go func() {
			_, err := k.Get(background, chaosKey)
			waited <- err
		}()
		synctest.Wait()
		began := time.Now()
		if err := k.Close(background); err != nil {
			b.t.Error(err)
		}
		if d := time.Since(began); d > time.Second {
			b.t.Errorf("Close waited %v for another process", d)
		}
		if err := <-waited; !errors.Is(err, keeper.ErrUnavailable) {
			b.t.Errorf("the waiting caller got %v", err)
		}
		b.wantCalls(0)
		b.get(b.process(nil))
	})
}
