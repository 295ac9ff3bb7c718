package memstore_test

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// floor is what the job costs at least, written by hand for it: a hash of the presented text, a lookup in a map with 256
// locks, the clock. It hands out the stored record itself, which no caller may then change; a fair one copies it.
type floor struct {
	shards [256]struct {
		mu sync.RWMutex
		m  map[[32]byte]*store.Record
	}
}

func newFloor() *floor {
	f := &floor{}
	for i := range f.shards {
		f.shards[i].m = map[[32]byte]*store.Record{}
	}
	return f
}

func hash(text string) [32]byte {
	var room [64]byte
	return sha256.Sum256(append(room[:0], text...))
}

func (f *floor) get(text string) *store.Record {
	sum := hash(text)
	sh := &f.shards[sum[0]]
	sh.mu.RLock()
	rec := sh.m[sum]
	sh.mu.RUnlock()
	if rec == nil || rec.Expired(time.Now()) {
		return nil
	}
	return rec
}

func (f *floor) put(text string, rec *store.Record) {
	sum := hash(text)
	sh := &f.shards[sum[0]]
	sh.mu.Lock()
	sh.m[sum] = rec
	sh.mu.Unlock()
}

// session is a record as a guard meets it on every request.
func session(i int) *store.Record {
	now := time.Now()
	return &store.Record{
		ID: fmt.Sprintf("record-%016d", i), Subject: fmt.Sprintf("subject-%016d", i), Provider: "provider",
		Token: store.Token{
			AccessToken: fmt.Sprintf("access-%040d", i), TokenType: "Bearer", RefreshToken: fmt.Sprintf("refresh-%040d", i),
			Scopes: []string{"openid", "profile", "email"}, Expiry: now.Add(time.Hour),
		},
		Created: now, Updated: now, Expires: now.Add(24 * time.Hour),
	}
}

var sink *store.Record // what the compiler must not leave out

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		s, f := open(b, nil), newFloor()
		handles := make([]store.Handle, n)
		for i := range n {
			handles[i] = store.NewCredential("session")
			f.put(handles[i].Reveal(), session(i))
			if _, err := s.Put(b.Context(), handles[i], session(i)); err != nil {
				b.Fatal(err)
			}
		}
		load := func(h store.Handle) *store.Record {
			rec, err := s.Get(b.Context(), h)
			if err != nil {
				b.Error(err)
			}
			return rec
		}
		for _, c := range []struct {
			name string
			load func(h store.Handle) *store.Record
		}{
			{"floor=shared", func(h store.Handle) *store.Record { return f.get(h.Reveal()) }},
			{"floor=copied", func(h store.Handle) *store.Record { return f.get(h.Reveal()).Clone() }},
			{"memstore", load},
		} {
			b.Run(fmt.Sprintf("n=%d/%s", n, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					sink = c.load(handles[i*7919%n])
				}
			})
		}
		b.Run(fmt.Sprintf("n=%d/memstore/parallel", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					load(handles[i*7919%n])
				}
			})
		})
	}
}

func BenchmarkSave(b *testing.B) {
	const n = 1_000
	s, f := open(b, nil), newFloor()
	handles, recs := make([]store.Handle, n), make([]*store.Record, n)
	for i := range n {
		handles[i] = store.NewCredential("session")
		recs[i] = session(i)
		f.put(handles[i].Reveal(), recs[i])
		if _, err := s.Put(b.Context(), handles[i], recs[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("floor=kept", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f.put(handles[i%n].Reveal(), recs[i%n])
		}
	})
	b.Run("floor=copied", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f.put(handles[i%n].Reveal(), recs[i%n].Clone())
		}
	})
	b.Run("memstore/replace", func(b *testing.B) {
		b.ReportAllocs()
		cur := make([]*store.Record, n)
		for i, h := range handles {
			cur[i], _ = s.Get(b.Context(), h)
		}
		for i := 0; b.Loop(); i++ {
			var err error
			if cur[i%n], err = s.Put(b.Context(), handles[i%n], cur[i%n]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("memstore/create", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			rec, err := s.Put(b.Context(), store.Handle{}, recs[i%n])
			if err != nil {
				b.Fatal(err)
			}
			if i%n != 0 { // bounded, but for one in a thousand
				s.Delete(b.Context(), rec.Handle, rec.Version)
			}
		}
	})
}

// BenchmarkHeap reports what a record takes beside its texts, and what a collection over a million of them costs.
func BenchmarkHeap(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		s := open(b, nil)
		before := heap()
		var text int
		for i := range n {
			rec := session(i)
			text += texts(rec)
			if _, err := s.Put(b.Context(), store.NewCredential("session"), rec); err != nil {
				b.Fatal(err)
			}
		}
		after := heap()
		start := time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/collection")
		b.ReportMetric(float64(int(after.HeapAlloc-before.HeapAlloc)-text)/n, "B/record")
		b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/n, "objects/record")
		runtime.KeepAlive(s)
	}
}

func texts(rec *store.Record) int {
	t := rec.Token
	return len(rec.ID) + len(rec.Subject) + len(rec.Provider) + len(t.AccessToken) + len(t.TokenType) + len(t.RefreshToken) +
		len(strings.Join(t.Scopes, ""))
}

func heap() runtime.MemStats {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
