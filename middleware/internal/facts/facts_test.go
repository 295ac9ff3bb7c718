package facts_test

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware/internal/facts"
)

func key(n int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func TestGet(t *testing.T) {
	t.Parallel()
	c := facts.New[string](100)
	now := time.Now()
	if _, ok := c.Get(key(1), now); ok {
		t.Error("an empty cache knows something")
	}
	c.Put(key(1), "one", now.Add(time.Second))
	c.Put(key(2), "two", now.Add(time.Second))
	if v, ok := c.Get(key(1), now); !ok || v != "one" {
		t.Errorf("%q, %v", v, ok)
	}
	if v, ok := c.Get(key(1), now.Add(time.Second)); ok || v != "" {
		t.Errorf("%q when its time is over", v)
	}
	c.Put(key(1), "uno", now.Add(time.Minute))
	if v, _ := c.Get(key(1), now.Add(time.Second)); v != "uno" {
		t.Errorf("%q, want what replaced it", v)
	}
	c.Forget(key(1))
	if _, ok := c.Get(key(1), now); ok {
		t.Error("forgotten, and still there")
	}
	if v, _ := c.Get(key(2), now); v != "two" {
		t.Errorf("%q: another one was forgotten too", v)
	}
}

// What was replaced is gone, wherever it was: nobody can find it again.
func TestReplacedInTheOldGeneration(t *testing.T) {
	t.Parallel()
	c := facts.New[int](4)
	later := time.Now().Add(time.Hour)
	for i := range 3 { // the third makes the first two old
		c.Put(key(i), i, later)
	}
	c.Put(key(0), 10, later)
	if n := c.Len(); n != 3 {
		t.Errorf("%d are held, want 3", n)
	}
	if v, ok := c.Get(key(0), time.Now()); !ok || v != 10 {
		t.Errorf("%d, %v", v, ok)
	}
}

// However many come, no more than max are held, and what is used stays while what is not goes.
func TestBound(t *testing.T) {
	t.Parallel()
	for _, most := range []int{2, 3, 10, 256, 1000, 20_000} {
		c := facts.New[int](most)
		later := time.Now().Add(time.Hour)
		for i := range 3*most + 10 {
			c.Put(key(i), i, later)
			c.Get(key(0), time.Now())
			if i%997 == 0 && c.Len() > most {
				break
			}
		}
		if n := c.Len(); n > most || n < most/4 {
			t.Errorf("at most %d: %d are held", most, n)
		}
		if v, ok := c.Get(key(0), time.Now()); most > 2 && (!ok || v != 0) {
			t.Errorf("at most %d: what was used all the time is gone", most)
		}
		if _, ok := c.Get(key(1), time.Now()); ok {
			t.Errorf("at most %d: what was never used is still there", most)
		}
		for i := range 3*most + 10 {
			if v, ok := c.Get(key(i), time.Now()); ok && v != i {
				t.Errorf("under %d is %d", i, v)
			}
		}
	}
}

func TestForgetReachesTheOldGeneration(t *testing.T) {
	t.Parallel()
	c := facts.New[int](4)
	later := time.Now().Add(time.Hour)
	for i := range 4 {
		c.Put(key(i), i, later) // 0 and 1 are in the old generation by now
	}
	c.Forget(key(0))
	if _, ok := c.Get(key(0), time.Now()); ok {
		t.Error("forgotten, and still there")
	}
	c.Put(key(1), 100, later)
	if v, _ := c.Get(key(1), time.Now()); v != 100 {
		t.Errorf("%d, want what replaced it", v)
	}
}

func TestHitsAllocateNothing(t *testing.T) {
	c := facts.New[*int](1000)
	c.Put(key(1), new(int), time.Now().Add(time.Hour))
	c.Put(facts.Key(strings.Repeat("t", 1024)), new(int), time.Now().Add(time.Hour))
	k, token := key(1), strings.Repeat("t", 1024)
	if n := testing.AllocsPerRun(100, func() { c.Get(facts.Key(token), time.Now()) }); n > 0 {
		t.Errorf("by token: %v allocations", n)
	}
	for _, n := range []int{0, 1, 127, 128, 129, 1023, 1024, 1025, 2048} {
		if text := strings.Repeat("t", n); facts.Key(text) != sha256.Sum256([]byte(text)) {
			t.Errorf("the key of %d bytes is not their SHA-256", n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { c.Get(k, time.Now()) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	c := facts.New[int](100_000)
	for i := range 50_000 {
		c.Put(key(i), i, time.Now().Add(time.Hour))
	}
	now, k := time.Now(), key(7)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Get(k, now)
		}
	})
}
