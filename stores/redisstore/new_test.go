package redisstore_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
)

func TestNew(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	cluster := func(o redis.ClusterOptions) redis.UniversalClient {
		o.Addrs = []string{"127.0.0.1:1"}
		c := redis.NewClusterClient(&o)
		t.Cleanup(func() { c.Close() })
		return c
	}
	plain := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	shards := redis.NewRing(&redis.RingOptions{})
	failover := redis.NewFailoverClusterClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{"127.0.0.1:1"}, RouteByLatency: true})
	t.Cleanup(func() { plain.Close(); shards.Close(); failover.Close() })
	const replicas = "reads from replicas"
	cases := []struct {
		name   string
		client redis.UniversalClient
		ring   *seal.Ring
		opts   *redisstore.Options
		faults []string
	}{
		{name: "nothing", opts: &redisstore.Options{Prefix: "{app}:"}, faults: []string{"no client", "no key ring", `"{app}:" has a brace`}},
		{name: "nil client in an interface", client: (*redis.Client)(nil), ring: ring, faults: []string{"no client"}},
		{name: "nil cluster in an interface", client: (*redis.ClusterClient)(nil), ring: ring, faults: []string{"no client"}},
		{name: "no ring", client: plain, faults: []string{"no key ring"}},
		{name: "closing brace", client: plain, ring: ring, opts: &redisstore.Options{Prefix: "a}"}, faults: []string{"brace"}},
		{name: "redis.Ring", client: shards, ring: ring, faults: []string{"redis.Ring"}},
		{name: "ReadOnly", client: cluster(redis.ClusterOptions{ReadOnly: true}), ring: ring, faults: []string{replicas}},
		{name: "RouteByLatency", client: cluster(redis.ClusterOptions{RouteByLatency: true}), ring: ring, faults: []string{replicas}},
		{name: "RouteRandomly", client: cluster(redis.ClusterOptions{RouteRandomly: true}), ring: ring, faults: []string{replicas}},
		{name: "failover cluster", client: failover, ring: ring, faults: []string{replicas}},
		{name: "cluster", client: cluster(redis.ClusterOptions{}), ring: ring},
		{name: "single", client: plain, ring: ring, opts: &redisstore.Options{Prefix: "app:"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := redisstore.New(tc.client, tc.ring, tc.opts)
			if (s == nil) != (err != nil) || (err != nil) != (tc.faults != nil) {
				t.Fatalf("got %v, %v", s, err)
			}
			for _, fault := range tc.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("got %q, want %q in it", err, fault)
				}
			}
		})
	}
}
