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
	queue map[store.Handle]turn
}

type turn struct {
	callers int           // that wait for it or have it
	free    chan struct{} // gets one value when the one who has it leaves; nil as long as nobody waits
}

// held is a turn that somebody has.
type held struct {
	t   *turns
	key store.Handle
}

// take waits for the turn; the caller gives it back. With an error there is none to give.
func (t *turns) take(ctx context.Context, key store.Handle) (held, error) {
	h := held{t, key}
	t.mu.Lock()
	at := t.queue[h.key]
	if at.callers++; at.callers > 1 && at.free == nil {
		at.free = make(chan struct{}, 1)
	}
	t.queue[h.key] = at
	t.mu.Unlock()
	if at.callers == 1 {
		return h, nil
	}
	select {
	case <-at.free:
		return h, nil
	case <-ctx.Done():
		t.leave(h.key, false)
		return held{}, context.Cause(ctx)
	}
}

func (h held) give() { h.t.leave(h.key, true) }

// leave counts a caller out, and hands on the turn if it had it.
func (t *turns) leave(key store.Handle, had bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.queue[key]
	if at.callers--; at.callers == 0 {
		delete(t.queue, key)
		return
	}
	if t.queue[key] = at; had {
		at.free <- struct{}{} // has room: there is one turn
	}
}
