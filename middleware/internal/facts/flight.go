package facts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// flight is one question under way, and all who wait for its answer.
type flight[V any] struct {
	ctx    context.Context // of the question: ends with it, or when patience does
	done   chan struct{}
	value  V
	err    error
	broken any // what ask panicked with
}

var errVanished = errors.New("the question ended without an answer")

// Find returns what is kept under key or, where nothing is, what ask finds out: one call of it serves all who want to
// know at the same time. ask runs apart from them, with ctx's values but without its end, so that nobody's leaving
// spoils the answer for the others; it has as long as patience, and whoever waits is told then, even if ask blocks on.
// What ask returns is kept until it says, an error never. A panic of ask's reaches all who wait.
func (c *Cache[V]) Find(ctx context.Context, key [32]byte, patience time.Duration, ask question[V]) (V, error) {
	if v, ok := c.Get(key, time.Now()); ok {
		return v, nil
	}
	var none V
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	f, v, ok := c.join(ctx, key, patience, ask)
	if ok {
		return v, nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-f.ctx.Done():
		select {
		case <-f.done:
		default:
			return none, context.Cause(f.ctx)
		}
	}
	if f.broken != nil {
		panic(f.broken) //nolint:forbidigo // goes on where it would have been without the cache
	}
	return f.value, f.err
}

type question[V any] = func(context.Context) (V, time.Time, error)

// join returns the flight under key, a new one if there is none; or what the last one found, if it has just landed.
func (c *Cache[V]) join(ctx context.Context, key [32]byte, patience time.Duration, ask question[V]) (f *flight[V], v V, ok bool) {
	sh := c.shard(&key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if got, ok := sh.new[key]; ok && time.Now().Before(got.until) {
		return nil, got.value, true
	}
	if f = sh.flights[key]; f != nil && f.ctx.Err() == nil { // one that blocks keeps nobody from asking again
		return f, v, false
	}
	f = &flight[V]{done: make(chan struct{}), err: errVanished}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	f.ctx = own
	if sh.flights == nil {
		sh.flights = map[[32]byte]*flight[V]{}
	}
	sh.flights[key] = f
	go sh.fly(key, f, ask, cancel)
	return f, v, false
}

func (sh *shard[V]) fly(key [32]byte, f *flight[V], ask question[V], cancel context.CancelFunc) {
	var until time.Time
	defer func() { // whether ask returns, panics or ends its goroutine
		if r := recover(); r != nil {
			f.broken = brokenBy(r)
		}
		sh.land(key, f, until)
		close(f.done)
		cancel()
	}()
	f.value, until, f.err = ask(f.ctx)
}

// land keeps the answer, unless it was forgotten meanwhile, or given up and asked for again.
func (sh *shard[V]) land(key [32]byte, f *flight[V], until time.Time) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.flights[key] != f {
		return
	}
	delete(sh.flights, key)
	if f.err == nil && f.broken == nil && time.Now().Before(until) {
		sh.put(key, fact[V]{f.value, until})
	}
}

// brokenBy adds to a panic where it came from, as it goes on in other goroutines. What net/http takes for an order it
// leaves alone.
func brokenBy(r any) any {
	if r == any(http.ErrAbortHandler) {
		return r
	}
	return fmt.Sprintf("%v\n\n%s", r, debug.Stack())
}
