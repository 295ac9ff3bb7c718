package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/proc"
)

// fleet is the replicas: children of this process, and no others.
type fleet struct {
	ctx  context.Context
	conf replicaConfig

	mu    sync.Mutex
	slots []*child
	n     int
	kills map[string]time.Time // by replica's name
}

type child struct {
	name, addr string
	cmd        *exec.Cmd
	in         io.Closer
}

func newFleet(ctx context.Context, replicas int, conf replicaConfig) (*fleet, error) {
	f := &fleet{ctx: ctx, conf: conf, kills: map[string]time.Time{}}
	for range replicas {
		c, err := f.start()
		if err != nil {
			f.close()
			return nil, err
		}
		f.slots = append(f.slots, c)
	}
	return f, nil
}

func (f *fleet) start() (*child, error) {
	f.mu.Lock()
	f.n++
	conf := f.conf
	conf.Name = fmt.Sprint("replica-", f.n)
	f.mu.Unlock()
	told, err := json.Marshal(conf)
	if err != nil {
		return nil, err
	}
	cmd, err := proc.Command(f.ctx, "replica", string(told))
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s did not come up: %w", conf.Name, err)
	}
	return &child{conf.Name, strings.TrimSpace(addr), cmd, in}, nil
}

// addresses are those of the replicas that should be up.
func (f *fleet) addresses() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.slots {
		if c != nil {
			out = append(out, c.addr)
		}
	}
	return out
}

// rage kills one replica after the other, and replaces each a second later.
func (f *fleet) rage(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for victim := 0; ; victim++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		slot := victim % len(f.slots)
		f.mu.Lock()
		c := f.slots[slot]
		f.slots[slot] = nil
		f.mu.Unlock()
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		f.mu.Lock()
		f.kills[c.name] = time.Now()
		f.mu.Unlock()
		time.Sleep(time.Second)
		next, err := f.start()
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.slots[slot] = next
		f.mu.Unlock()
	}
}

func (f *fleet) close() {
	for _, c := range f.slots {
		if c != nil {
			c.in.Close()
			_ = c.cmd.Wait()
		}
	}
}
