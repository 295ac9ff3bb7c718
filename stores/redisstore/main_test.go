package redisstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
)

// TestMain runs the tests, or one writer of the durability test in its own process.
func TestMain(m *testing.M) {
	if addr := os.Getenv(writerEnv); addr != "" {
		if err := write(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// server returns the options of the Redis to test with.
func server(t testing.TB) *redis.Options {
	t.Helper()
	addr := os.Getenv("TOKENKEEP_REDIS")
	if addr == "" {
		t.Skip("TOKENKEEP_REDIS is not set: start redis-server and run with TOKENKEEP_REDIS=127.0.0.1:6379")
	}
	return &redis.Options{Addr: addr}
}

// fixture is one store under test, with what a test may do behind its back.
type fixture struct {
	*redisstore.Store
	client redis.UniversalClient
	ring   *seal.Ring
	prefix string
}

func newRing(t testing.TB) *seal.Ring {
	t.Helper()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// open returns a store under a prefix of its own, whose keys are removed in the end.
func open(t testing.TB) *fixture {
	t.Helper()
	prefix := "test:" + rand.Text() + ":"
	t.Cleanup(func() {
		admin := redis.NewClient(server(t)) // the test may have closed the other
		defer admin.Close()
		for _, key := range keys(t, admin, prefix) {
			if err := admin.Del(context.Background(), key).Err(); err != nil {
				t.Errorf("cleaning up: %v", err)
			}
		}
	})
	client := redis.NewClient(server(t))
	t.Cleanup(func() { client.Close() })
	return newFixture(t, client, newRing(t), prefix)
}

func newFixture(t testing.TB, client redis.UniversalClient, ring *seal.Ring, prefix string) *fixture {
	t.Helper()
	s, err := redisstore.New(client, ring, &redisstore.Options{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{s, client, ring, prefix}
}

// again returns another client to the same server, as another process has.
func (f *fixture) again(t testing.TB) redis.UniversalClient {
	t.Helper()
	var client redis.UniversalClient
	switch c := f.client.(type) {
	case *redis.Client:
		client = redis.NewClient(&redis.Options{Addr: c.Options().Addr})
	case *redis.ClusterClient:
		client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Options().Addrs})
	default:
		t.Fatalf("a client of type %T", c)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func keys(t testing.TB, client redis.UniversalClient, prefix string) []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	scan := func(ctx context.Context, node *redis.Client) error {
		it := node.Scan(ctx, 0, "{"+prefix+"*", 10_000).Iterator()
		for it.Next(ctx) {
			mu.Lock()
			all = append(all, it.Val())
			mu.Unlock()
		}
		return it.Err()
	}
	var err error
	switch c := client.(type) {
	case *redis.Client:
		err = scan(context.Background(), c)
	case *redis.ClusterClient:
		err = c.ForEachMaster(context.Background(), scan)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// rowKey finds the row of h.
func (f *fixture) rowKey(t testing.TB, h store.Handle) string {
	t.Helper()
	sum := h.Sum()
	key := fmt.Sprintf("{%s%02x}:%s", f.prefix, sum[0], member(sum))
	if n, err := f.client.Exists(context.Background(), key).Result(); err != nil || n != 1 {
		t.Fatalf("the row is not where it should be: %v", err)
	}
	return key
}

// raw returns every key and value of the store.
func (f *fixture) raw(t testing.TB) []byte {
	t.Helper()
	ctx := context.Background()
	var out strings.Builder
	for _, key := range keys(t, f.client, f.prefix) {
		out.WriteString(key + "\n")
		kind, err := f.client.Type(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case "string":
			out.WriteString(f.client.Get(ctx, key).Val())
		case "zset":
			for _, z := range f.client.ZRangeWithScores(ctx, key, 0, -1).Val() {
				fmt.Fprintf(&out, "%v %f\n", z.Member, z.Score)
			}
		default:
			t.Fatalf("a key of type %s", kind)
		}
	}
	return []byte(out.String())
}

func put(t testing.TB, s store.TokenStore, h store.Handle, rec *store.Record) *store.Record {
	t.Helper()
	got, err := s.Put(context.Background(), h, rec)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
