package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// env is what one case works with.
type env struct {
	Harness
	s, peer store.TokenStore // peer is s itself if the harness has none
}

func newEnv(t *testing.T, h Harness) *env {
	t.Helper()
	e := &env{Harness: h, s: h.Open(t)}
	e.peer = e.s
	if h.Peer != nil {
		e.peer = h.Peer(t, e.s)
	}
	return e
}

// fresh returns a handle to create under.
func (e *env) fresh() store.Handle {
	if e.Stateless {
		return store.Handle{}
	}
	return store.Key("storetest", rand.Text())
}

// put writes rec, which has to succeed, and returns what is stored.
func (e *env) put(t *testing.T, h store.Handle, rec *store.Record) *store.Record {
	t.Helper()
	return written(t, e.s, h, rec)
}

func written(t *testing.T, s store.TokenStore, h store.Handle, rec *store.Record) *store.Record {
	t.Helper()
	got, err := s.Put(t.Context(), h, rec)
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	if got == nil {
		t.Fatal("Put: neither a record nor an error")
	}
	return got
}

// create puts rec under a fresh handle.
func (e *env) create(t *testing.T, rec *store.Record) *store.Record {
	t.Helper()
	return e.put(t, e.fresh(), rec)
}

// get reads the live record behind h.
func (e *env) get(t *testing.T, h store.Handle) *store.Record {
	t.Helper()
	return read(t, e.s, h)
}

func read(t *testing.T, s store.TokenStore, h store.Handle) *store.Record {
	t.Helper()
	got, err := s.Get(t.Context(), h)
	if err != nil {
		t.Fatalf("Get: %v, want the record", err)
	}
	if got == nil {
		t.Fatal("Get: neither a record nor an error")
	}
	return got
}

// holds checks that h finds want at want's version, told by a few fields: the rest is V1's.
func (e *env) holds(t *testing.T, h store.Handle, want *store.Record) {
	t.Helper()
	got := e.find(t, h, want)
	for _, d := range differences(brief(want), brief(got)) {
		t.Error("Get: " + d)
	}
	if got.Version != want.Version && !e.Stateless {
		t.Errorf("Get: version %q, want %q", got.Version, want.Version)
	}
}

// holdsAll checks that h finds want, all of it.
func (e *env) holdsAll(t *testing.T, h store.Handle, want *store.Record) {
	t.Helper()
	same(t, want, e.find(t, h, want))
}

// find reads what is behind h, ended as want is.
func (e *env) find(t *testing.T, h store.Handle, want *store.Record) *store.Record {
	t.Helper()
	got, err := e.s.Get(t.Context(), h)
	wanted := "nil"
	if !want.Ended.IsZero() {
		wanted = "ErrEnded"
	}
	if k := kind(err); k != wanted || got == nil {
		t.Fatalf("Get: %s (%v), record %v; want %s and the record", k, err, got != nil, wanted)
	}
	return got
}

// absent checks that h finds nothing.
func (e *env) absent(t *testing.T, h store.Handle) {
	t.Helper()
	missing(t, e.s, h)
}

func missing(t *testing.T, s store.TokenStore, h store.Handle) {
	t.Helper()
	got, err := s.Get(t.Context(), h)
	fails(t, "Get", err, "ErrNotFound")
	if got != nil {
		t.Error("Get: a record beside ErrNotFound")
	}
}

func (e *env) delete(t *testing.T, h store.Handle, v store.Version) {
	t.Helper()
	if err := e.s.Delete(t.Context(), h, v); err != nil {
		t.Fatalf("Delete: %v", err)
	}
}

// end puts rec again as ended.
func (e *env) end(t *testing.T, rec *store.Record) *store.Record {
	t.Helper()
	rec = rec.Clone()
	rec.Ended = e.now(t).Truncate(time.Microsecond)
	rec.Updated = rec.Ended
	return e.put(t, rec.Handle, rec)
}

// dead returns a sample that expired a minute ago by the store's clock.
func (e *env) dead(t *testing.T) *store.Record {
	t.Helper()
	rec := sample()
	rec.Expires = e.now(t).Add(-time.Minute).Truncate(time.Microsecond)
	return rec
}

// now returns the store's time, or the process's if the store has no clock.
func (e *env) now(t *testing.T) time.Time {
	t.Helper()
	rec := e.create(t, &store.Record{ID: "clock"})
	if !e.Stateless {
		e.s.Delete(t.Context(), rec.Handle, "") // if it stays, it is in nobody's way
	}
	if rec.ReadAt.IsZero() {
		return time.Now().UTC()
	}
	return rec.ReadAt
}

// kind names the one thing that err says by the contract: a sentinel, errors.ErrUnsupported, nil or "other".
func kind(err error) string {
	var kinds string
	is := func(target error, name string) {
		if errors.Is(err, target) {
			kinds += name
		}
	}
	if err == nil {
		return "nil"
	}
	is(store.ErrEnded, "ErrEnded")
	if kinds == "" {
		is(store.ErrNotFound, "ErrNotFound")
	}
	is(store.ErrExists, "ErrExists")
	is(store.ErrConflict, "ErrConflict")
	is(errors.ErrUnsupported, "errors.ErrUnsupported")
	if kinds == "" {
		return "other"
	}
	return kinds
}

// fails checks that err says want, and nothing beside it.
func fails(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := kind(err); got != want {
		t.Errorf("%s: %s (%v), want %s", what, got, err, want)
	}
}

// race calls f n times at once, half of them with s and half with the peer, and returns the answers.
func race[T any](e *env, n int, f func(i int, s store.TokenStore) T) []T {
	out := make([]T, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		s := e.s
		if i%2 == 1 {
			s = e.peer
		}
		wg.Go(func() {
			<-start
			out[i] = f(i, s)
		})
	}
	close(start)
	wg.Wait()
	return out
}

// rounds calls f at least so often, and more often while that is quick: a fast engine shows its races seldom.
func rounds(least int, f func()) {
	for i, began := 0, time.Now(); i < least || i < 50 && time.Since(began) < 5*time.Millisecond; i++ {
		f()
	}
}

// samples returns n samples at version v, made before a race so that it is one.
func samples(n int, v store.Version) []*store.Record {
	recs := make([]*store.Record, n)
	for i := range recs {
		recs[i] = sample()
		recs[i].Version = v
	}
	return recs
}

// answer is what a Put in a race said.
type answer struct {
	rec *store.Record
	err error
}

func putAnswer(ctx context.Context, s store.TokenStore, h store.Handle, rec *store.Record) answer {
	got, err := s.Put(ctx, h, rec)
	return answer{got, err}
}

// won returns the one answer that succeeded; all others have to say lost.
func won(t *testing.T, answers []answer, lost string) *store.Record {
	t.Helper()
	var winner *store.Record
	var winners int
	for _, a := range answers {
		switch a.err {
		case nil:
			winners++
			winner = a.rec
		default:
			fails(t, "a loser's Put", a.err, lost)
		}
	}
	if winners != 1 || winner == nil {
		t.Fatalf("%d of %d concurrent Puts succeeded, want exactly 1", winners, len(answers))
	}
	return winner
}
