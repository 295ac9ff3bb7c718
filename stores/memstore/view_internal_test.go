package memstore

import (
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
)

// Entries whose sums share a place take turns, and none is taken for another one.
func TestViewsShareAPlace(t *testing.T) {
	t.Parallel()
	v := make(views, viewsPerShard)
	a, b := &entry{sum: [32]byte{31: 'a'}}, &entry{sum: [32]byte{31: 'b'}}
	if v.place(&a.sum) != v.place(&b.sum) {
		t.Fatal("the sums do not share a place")
	}
	ofA, ofB := &store.Record{ID: "a"}, &store.Record{ID: "b"}
	v.put(a, ofA)
	if _, rec := v.get(&b.sum); rec != nil {
		t.Errorf("b is shown %s", rec.ID)
	}
	v.put(b, ofB)
	if _, rec := v.get(&a.sum); rec != nil {
		t.Errorf("a is shown %s, after b took its place", rec.ID)
	}
	if _, rec := v.get(&b.sum); rec != ofB {
		t.Error("b is not shown")
	}
	if a.shown.Load() != nil {
		t.Error("a keeps its record, which nobody can be shown any more")
	}
}

// Who read an entry before it was replaced may come to show it after: nobody else is shown it, and it is not kept.
func TestViewsOfTheReplaced(t *testing.T) {
	t.Parallel()
	v := make(views, viewsPerShard)
	for name, shownBefore := range map[string]bool{"never shown": false, "shown before": true} {
		e := &entry{sum: [32]byte{31: 'e'}}
		if shownBefore {
			v.put(e, &store.Record{})
		}
		v.drop(e)
		v.put(e, &store.Record{ID: "late"})
		if _, rec := v.get(&e.sum); rec != nil {
			t.Errorf("%s: %s is shown", name, rec.ID)
		}
		if e.shown.Load() != gone || v.place(&e.sum).Load() != nil {
			t.Errorf("%s: the replaced entry is kept", name)
		}
	}
}
