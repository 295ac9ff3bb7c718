package redisstore_test

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// private is a redis-server process of a test's own, on a free port, which a test may kill and start again.
type private struct {
	addr string
	args []string
	cmd  *exec.Cmd
}

// newServer starts one in a directory of its own; args are more of its settings.
func newServer(t testing.TB, args ...string) *private {
	t.Helper()
	server(t) // who runs the Redis tests has redis-server
	port := freePort(t)
	p := &private{addr: "127.0.0.1:" + port, args: append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--loglevel", "warning",
	}, args...)}
	p.start(t)
	t.Cleanup(func() { p.kill(t) })
	return p
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start returns when the server answers.
func (p *private) start(t testing.TB) {
	t.Helper()
	p.cmd = exec.Command("redis-server", p.args...)
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("redis-server is needed to run these tests: %v", err)
	}
	client := redis.NewClient(&redis.Options{Addr: p.addr, MaxRetries: -1})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("redis-server does not answer: %v", err)
		}
	}
}

// kill ends the server without a chance to write anything.
func (p *private) kill(t testing.TB) {
	t.Helper()
	if p.cmd == nil {
		return
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Errorf("kill: %v", err)
	}
	_ = p.cmd.Wait() // "signal: killed"
	p.cmd = nil
}

// newCluster returns the addresses of a cluster of three nodes.
func newCluster(t testing.TB) []string {
	t.Helper()
	ctx := t.Context()
	const nodes, slots = 3, 16384
	var addrs []string
	var first *redis.Client
	var firstPort, firstBus string
	for i := range nodes {
		bus := freePort(t)
		p := newServer(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		client := redis.NewClient(&redis.Options{Addr: p.addr})
		t.Cleanup(func() { client.Close() })
		addrs = append(addrs, p.addr)
		if err := client.ClusterAddSlotsRange(ctx, i*slots/nodes, (i+1)*slots/nodes-1).Err(); err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(p.addr)
		if first == nil {
			first, firstPort, firstBus = client, port, bus
			continue
		}
		if err := client.Do(ctx, "cluster", "meet", "127.0.0.1", firstPort, firstBus).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// Two nodes may know each other before all three do.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1_500 {
		ready := 0
		for _, addr := range addrs {
			client := redis.NewClient(&redis.Options{Addr: addr})
			info, err := client.ClusterInfo(ctx).Result()
			client.Close()
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") &&
				strings.Contains(info, "cluster_slots_assigned:16384") {
				ready++
			}
		}
		if ready == nodes {
			return addrs
		}
		<-tick.C
	}
	t.Fatal("the cluster does not come up")
	return nil
}
