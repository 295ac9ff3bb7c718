package redisstore_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
)

const (
	writerEnv  = "TOKENKEEP_REDIS_WRITER" // address, prefix, key and round of a writer process
	killsEnv   = "TOKENKEEP_KILLS"
	perWriter  = 4 // records that one process writes at once
	readyToDie = 3 // acknowledged writes before the kill is armed
)

func written(round string, i int) store.Handle {
	return store.Key("durability", round, strconv.Itoa(i))
}

// write puts the same few records over and over and tells each acknowledged generation on its standard output, until it
// or the server is killed.
func write(job string) error {
	var addr, prefix, key, round string
	if _, err := fmt.Sscan(job, &addr, &prefix, &key, &round); err != nil {
		return err
	}
	secret, err := hex.DecodeString(key)
	if err != nil {
		return err
	}
	ring, err := seal.New(secret)
	if err != nil {
		return err
	}
	s, err := redisstore.New(redis.NewClient(&redis.Options{Addr: addr}), ring, &redisstore.Options{Prefix: prefix})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for i := range perWriter {
		wg.Go(func() {
			ctx := context.Background()
			rec, err := s.Put(ctx, written(round, i), &store.Record{ID: rand.Text(), Generation: 1})
			for err == nil {
				fmt.Fprintf(os.Stdout, "%d %d\n", i, rec.Generation)
				rec.Generation++
				rec, err = s.Put(ctx, rec.Handle, rec)
			}
		})
	}
	wg.Wait()
	return nil
}

// TestStore_survivesKills kills the server, or a writer, or both, again and again: whatever was acknowledged is there
// afterwards, under appendfsync always.
func TestStore_survivesKills(t *testing.T) {
	t.Parallel()
	kills, err := strconv.Atoi(os.Getenv(killsEnv))
	if err != nil || kills <= 0 {
		t.Skip(killsEnv + " is not set: run with " + killsEnv + "=100 and TOKENKEEP_REDIS set")
	}
	p := newServer(t, "--appendonly", "yes", "--appendfsync", "always")
	key := seal.NewKey()
	ring, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: p.addr})
	defer client.Close()
	s, err := redisstore.New(client, ring, &redisstore.Options{Prefix: "kills:"})
	if err != nil {
		t.Fatal(err)
	}
	began, all := time.Now(), map[store.Handle]uint64{}
	for round := range kills {
		job := fmt.Sprintf("%s kills: %x %d", p.addr, key, round)
		acked := run(t, p, job, round)
		for i, gen := range acked {
			all[written(strconv.Itoa(round), i)] = gen
			check(t, s, written(strconv.Itoa(round), i), gen)
		}
	}
	var total uint64
	for h, gen := range all {
		check(t, s, h, gen)
		total += gen
	}
	t.Logf("%d kills in %v, %d acknowledged writes of %d records", kills, time.Since(began), total, len(all))
}

// run lets one writer process write until something is killed, and returns the last acknowledged generation of each
// record. The server runs in the end.
func run(t *testing.T, p *private, job string, round int) map[int]uint64 {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), writerEnv+"="+job)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked, die := map[int]uint64{}, 1+mrand.IntN(60)
	lines := 0
	for in := bufio.NewReader(out); ; lines++ {
		var i int
		var gen uint64
		line, err := in.ReadString('\n')
		if err != nil { // the end, or a line that the kill cut off: its number was acknowledged, but not told
			if err != io.EOF {
				t.Fatal(err)
			}
			break
		}
		if _, err := fmt.Sscan(line, &i, &gen); err != nil {
			t.Fatalf("the writer says %q", line)
		}
		acked[i] = max(acked[i], gen)
		if lines != readyToDie+die {
			continue
		}
		if round%3 != 0 {
			p.kill(t)
		}
		if round%3 != 1 {
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if lines <= readyToDie {
		t.Fatalf("the writer wrote nothing: %s", complaints.String())
	}
	if p.cmd == nil {
		p.start(t)
	}
	return acked
}

// check reads a record that was acknowledged at gen. The next one may have been written too, and its answer lost.
func check(t *testing.T, s store.TokenStore, h store.Handle, gen uint64) {
	t.Helper()
	rec, err := s.Get(t.Context(), h)
	switch {
	case err != nil:
		t.Errorf("generation %d was acknowledged: %v", gen, err)
	case rec.Generation != gen && rec.Generation != gen+1:
		t.Errorf("generation %d was acknowledged, found %d", gen, rec.Generation)
	}
}
