package authserver

import (
	"context"
	"sync"

	"github.com/tokenkeep/tokenkeep/store"
)

// turns lets one caller at a time do something for a key, the others of this process waiting. So attempts that are
// counted after the fact cannot all slip through before the first is counted.
type turns struct {
	mu    sync.Mutex
	queue map[[32]byte]*turn
}

type turn struct {
	free    chan struct{} // holds one value while nobody has the turn
	waiting int           // callers that wait for it or have it
}

// take waits for the turn; give ends it. With an error there is none to end.
func (t *turns) take(ctx context.Context, key store.Handle) (give func(), err error) {
	sum := key.Sum()
	t.mu.Lock()
	at := t.queue[sum]
	if at == nil {
		at = &turn{free: make(chan struct{}, 1)}
		at.free <- struct{}{}
		t.queue[sum] = at
	}
	at.waiting++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if at.waiting--; at.waiting == 0 {
			delete(t.queue, sum)
		}
	}
	select {
	case <-at.free:
		return func() { at.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
