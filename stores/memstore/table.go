package memstore

import "maps"

// roomy is the size from which tables and queues give memory back.
const roomy = 64

// table is a map that shrinks: Go's own keeps the room of its largest day. The zero table is empty. Its owner locks.
type table[K comparable, V any] struct {
	m    map[K]V
	peak int // the most entries since m was made
}

func (t *table[K, V]) get(k K) V { return t.m[k] }

func (t *table[K, V]) set(k K, v V) {
	if t.m == nil {
		t.m = make(map[K]V)
	}
	t.m[k] = v
	t.peak = max(t.peak, len(t.m))
}

func (t *table[K, V]) delete(k K) {
	delete(t.m, k)
	if t.peak < roomy || len(t.m) > t.peak-t.peak/4 { // three copies a deletion, at worst
		return
	}
	m := make(map[K]V, len(t.m))
	maps.Copy(m, t.m)
	t.m, t.peak = m, len(m)
}
