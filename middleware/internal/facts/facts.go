// Package facts keeps what was found out about credentials and users for a while, so that verifiers and resolvers need
// not ask again: bounded, forgettable, and with one question at a time per key. What it keeps are facts; whoever uses it
// decides anew on every request, expiry included.
package facts

import (
	"crypto/sha256"
	"math/bits"
	"sync"
	"time"
)

// Cache keeps values by the SHA-256 of what they are about. A verifier or resolver has a Cache of its own, so that none
// ever finds another's facts. Make one with [New]; all methods may be called concurrently.
type Cache[V any] struct {
	shards []shard[V]
}

const maxShards = 64

// shard holds two generations: what was used lately, and what will go when that is full. So the bound holds without a
// list to maintain on every hit, and a generation goes as one piece.
type shard[V any] struct {
	mu       sync.RWMutex
	most     int // in each generation
	new, old map[[32]byte]fact[V]
	flights  map[[32]byte]*flight[V]

	_ [24]byte // shards do not share cache lines
}

type fact[V any] struct {
	value V
	until time.Time
}

// New returns an empty Cache of at most limit values; limit is at least 2.
func New[V any](limit int) *Cache[V] {
	n := min(maxShards, 1<<bits.Len(uint(limit/256)))
	c := &Cache[V]{shards: make([]shard[V], n)}
	for i := range c.shards {
		c.shards[i].most = limit / (2 * n)
	}
	return c
}

// Key returns the SHA-256 of a token, or of a part of it.
func Key(token string) [32]byte {
	if len(token) <= 128 {
		var room [128]byte // clearing more would take as long as hashing this
		return sha256.Sum256(append(room[:0], token...))
	}
	var room [1024]byte // what is longer allocates
	return sha256.Sum256(append(room[:0], token...))
}

// Nobody can aim at a shard: keys are SHA-256.
func (c *Cache[V]) shard(key *[32]byte) *shard[V] { return &c.shards[int(key[0])&(len(c.shards)-1)] }

// Get returns what is kept under key, unless its time is over at now.
func (c *Cache[V]) Get(key [32]byte, now time.Time) (V, bool) {
	sh := c.shard(&key)
	sh.mu.RLock()
	f, ok := sh.new[key]
	sh.mu.RUnlock()
	if !ok {
		f, ok = sh.promote(key)
	}
	if !ok || !now.Before(f.until) {
		var none V
		return none, false
	}
	return f.value, true
}

// promote moves what is in the old generation into the new one.
func (sh *shard[V]) promote(key [32]byte) (fact[V], bool) {
	sh.mu.RLock()
	_, ok := sh.old[key]
	sh.mu.RUnlock()
	if !ok {
		return fact[V]{}, false
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f, ok := sh.old[key]
	if ok {
		sh.put(key, f)
		return f, true
	}
	f, ok = sh.new[key] // another caller was faster
	return f, ok
}

// Put keeps v under key until then, in the place of what was there.
func (c *Cache[V]) Put(key [32]byte, v V, until time.Time) {
	sh := c.shard(&key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.put(key, fact[V]{v, until})
}

func (sh *shard[V]) put(key [32]byte, f fact[V]) {
	delete(sh.old, key) // or a reader on its way to promote it would put it in f's place
	if _, ok := sh.new[key]; !ok && len(sh.new) >= sh.most {
		sh.old, sh.new = sh.new, nil
	}
	if sh.new == nil {
		sh.new = map[[32]byte]fact[V]{}
	}
	sh.new[key] = f
}

// Forget drops what is kept under key; what is being found out about it reaches those who wait for it already, and is
// not kept.
func (c *Cache[V]) Forget(key [32]byte) {
	sh := c.shard(&key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.new, key)
	delete(sh.old, key)
	delete(sh.flights, key)
}

// Len returns how many values are held, those whose time is over included.
func (c *Cache[V]) Len() (n int) {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.RLock()
		n += len(sh.new) + len(sh.old)
		sh.mu.RUnlock()
	}
	return n
}
