package redisstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
)

// counting counts what is sent to the server at once.
type counting struct{ n atomic.Int64 }

func (c *counting) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}

func TestStore_oneRoundTrip(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	warm := put(t, f, store.Key("warm"), &store.Record{Subject: "alice"}) // the server knows the scripts from here on
	if _, err := f.Get(ctx, warm.Handle); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(ctx, warm.Handle, ""); err != nil {
		t.Fatal(err)
	}
	var c counting
	f.client.AddHook(&c)
	trips := func(op string, f func() error) {
		before := c.n.Load()
		if err := f(); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		if n := c.n.Load() - before; n != 1 {
			t.Errorf("%s takes %d round trips", op, n)
		}
	}
	rec := &store.Record{ID: "R", Subject: "alice", Expires: time.Now().Add(time.Hour)}
	var err error
	trips("create", func() error { rec, err = f.Put(ctx, store.Key("k"), rec); return err })
	trips("get", func() error { rec, err = f.Get(ctx, rec.Handle); return err })
	trips("replace", func() error { rec, err = f.Put(ctx, rec.Handle, rec); return err })
	trips("delete", func() error { return f.Delete(ctx, rec.Handle, rec.Version) })
}

// A Put whose answer is lost is not sent again: the second one would be refused because of the first, and the caller told
// that nothing was written.
func TestStore_Put_lostAnswer(t *testing.T) {
	t.Parallel()
	f, ctx := open(t), t.Context()
	var armed atomic.Bool
	o := server(t)
	o.MaxRetries = 3
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &lossy{conn, &armed}, err
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	s := newFixture(t, client, f.ring, f.prefix)
	rec := put(t, s, store.Key("k"), &store.Record{ID: "R", Generation: 1})
	rec.Generation = 2
	armed.Store(true)
	_, err := s.Put(ctx, rec.Handle, rec)
	if err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if got, err := f.Get(ctx, rec.Handle); err != nil || got.Generation != 2 {
		t.Errorf("the server has %v, %v; the test lost the request instead of the answer", got, err)
	}
}

// lossy loses the next answer when it is armed.
type lossy struct {
	net.Conn
	armed *atomic.Bool
}

func (l *lossy) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err == nil && l.armed.CompareAndSwap(true, false) {
		l.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

// Lookups whose contexts end meanwhile never return another record.
func TestStore_neverMixesRecords(t *testing.T) {
	t.Parallel()
	f := open(t)
	n := 5_000
	if text := os.Getenv("TOKENKEEP_LOOKUPS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	const users, workers = 50, 64
	for i := range users {
		put(t, f, store.Key("user", strconv.Itoa(i)), &store.Record{ID: "R", Subject: strconv.Itoa(i)})
	}
	var wrong, found atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range n / workers {
				user := strconv.Itoa((w*31 + i) % users)
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%20)*100*time.Microsecond+time.Microsecond)
				if i%3 == 0 {
					ctx, cancel = context.WithCancel(context.Background())
					go cancel()
				}
				rec, err := f.Get(ctx, store.Key("user", user))
				cancel()
				switch {
				case errors.Is(err, store.ErrNotFound):
					wrong.Add(1)
				case err == nil && rec.Subject != user:
					wrong.Add(1)
				case err == nil:
					found.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if wrong.Load() != 0 || found.Load() == 0 {
		t.Errorf("%d lookups were wrong, %d right", wrong.Load(), found.Load())
	}
}

func TestStore_coldScripts(t *testing.T) {
	t.Parallel()
	p := newServer(t)
	client := redis.NewClient(&redis.Options{Addr: p.addr})
	t.Cleanup(func() { client.Close() })
	f := newFixture(t, client, newRing(t), "cold:")
	cold := func() {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	rec := put(t, f, store.Key("k"), &store.Record{ID: "R"})
	cold()
	rec = put(t, f, rec.Handle, rec)
	cold()
	if _, err := f.Get(t.Context(), rec.Handle); err != nil {
		t.Error(err)
	}
	cold()
	if err := f.Delete(t.Context(), rec.Handle, rec.Version); err != nil {
		t.Error(err)
	}
	if _, err := f.Get(t.Context(), rec.Handle); err != store.ErrNotFound {
		t.Error(err)
	}
}
