package authserver

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/tokenkeep/tokenkeep/store"
)

// Who stops waiting hands on nothing, and who leaves hands on to one.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns, key := turns{queue: map[store.Handle]turn{}}, store.Key("account")
		first, err := turns.take(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if other, err := turns.take(t.Context(), store.Key("another account")); err != nil {
			t.Fatal(err)
		} else {
			other.give()
		}
		having, done := 0, make(chan struct{})
		for range 3 {
			go func() {
				turn, err := turns.take(t.Context(), key)
				if err != nil {
					t.Error(err)
				}
				having++
				<-done
				turn.give()
			}()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go turns.take(ctx, key)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if having != 0 {
			t.Fatalf("%d have a turn that was not given", having)
		}
		first.give()
		for want := 1; want <= 3; want++ {
			synctest.Wait()
			if having != want {
				t.Fatalf("%d have had the turn, want %d", having, want)
			}
			done <- struct{}{}
		}
		synctest.Wait()
		if len(turns.queue) != 0 {
			t.Errorf("%d queues are left", len(turns.queue))
		}
	})
}
