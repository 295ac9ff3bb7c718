package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// driver runs the workers and hears what they say.
type driver struct {
	c   config
	p   *provider
	url string

	mu      sync.Mutex
	history []heard
	faults  map[string]string // incarnation -> kill or stop
	stops   []time.Time
	stderr  bytes.Buffer
	running sync.WaitGroup
}

type heard struct {
	worker string
	message
}

var points = []string{"after-lease", "before-send", "after-response", "before-commit", "after-commit"}

// run is one run against one kind of provider.
func run(c config) (*report, error) {
	cleanup, err := c.prepare()
	if err != nil {
		return nil, err
	}
	defer cleanup()
	d := &driver{c: c, p: newProvider(c.provider), faults: map[string]string{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: d.p}
	go server.Serve(listener)
	defer server.Close()
	d.url = "http://" + listener.Addr().String()

	ctx := context.Background()
	tokens, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	keep, err := keeper.New(tokens, c.client(d.url), c.options(&d.stderr))
	if err != nil {
		return nil, err
	}
	for n := range c.grants {
		grant := fmt.Sprint("g", n)
		token := store.Token{AccessToken: "secret-" + grant + "-a0", RefreshToken: d.p.issue(grant), Expiry: time.Now()}
		if _, err := keep.Start(ctx, grantKey(grant), &store.Record{Provider: "chaos", Token: token}); err != nil {
			return nil, err
		}
	}
	if err := d.calm(); err != nil {
		return nil, err
	}
	spentCalmly := len(d.p.log)
	if err := d.rage(); err != nil {
		return nil, err
	}
	r, err := d.judge(ctx, keep, spentCalmly)
	return r, errors.Join(err, keep.Close(ctx))
}

// calm runs the workers for a while without a fault.
func (d *driver) calm() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, d.c.workers)
	for n := range d.c.workers {
		wg.Go(func() { errs <- d.worker(ctx, fmt.Sprintf("calm%d-%d", time.Now().UnixNano(), n), "") })
	}
	wg.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

// rage keeps the workers running while faults last, and beside them one without: there is always somebody to take over.
func (d *driver) rage() (err error) {
	ctx, cancel := context.WithCancel(context.Background())
	steady := make(chan error, 1)
	go func() { steady <- d.worker(ctx, "steady", "") }()
	defer func() {
		time.Sleep(3 * time.Second) // what is recoverable recovers
		cancel()
		err = errors.Join(err, <-steady)
	}()
	rng := rand.New(rand.NewPCG(d.c.seed, 1))
	var mu sync.Mutex
	left := d.c.kills
	next := func() (name, plan string, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if left == 0 {
			return "", "", false
		}
		left--
		name = "w" + strconv.Itoa(d.c.kills-left)
		point, pass := points[rng.IntN(len(points))], strconv.Itoa(1+rng.IntN(6))
		switch rng.IntN(10) {
		case 0, 1:
			return name, "stop:" + point + ":" + pass, true
		case 2, 3:
			return name, "random", true
		default:
			return name, "kill:" + point + ":" + pass, true
		}
	}
	errs := make(chan error, d.c.workers-1)
	for range d.c.workers - 1 {
		go func() {
			for {
				name, plan, ok := next()
				if !ok {
					errs <- nil
					return
				}
				if err := d.doomed(name, plan); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	var all error
	for range d.c.workers - 1 {
		all = errors.Join(all, <-errs)
	}
	return all
}

// doomed runs one worker until its fault has happened.
func (d *driver) doomed(name, plan string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if plan == "random" {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(200+rand.IntN(800))*time.Millisecond)
		defer cancel()
		d.fault(name, "kill")
	}
	return d.worker(ctx, name, plan)
}

func (d *driver) fault(name, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults[name] = what
}

// worker runs one worker. When ctx ends it is killed if that is the plan, else asked to finish.
func (d *driver) worker(ctx context.Context, name, plan string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-worker", d.url, "-name", name, "-engine", d.c.engine, "-dsn", d.c.dsn,
		"-table", d.c.table, "-grants", strconv.Itoa(d.c.grants))
	cmd.Env = os.Environ()
	if plan != "random" {
		cmd.Env = append(cmd.Env, "CHAOS_PLAN="+plan)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = lockedWriter{&d.mu, &d.stderr}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-ended:
		case <-ctx.Done():
			if plan == "random" {
				cmd.Process.Kill()
			} else {
				stdin.Close()
			}
		}
	}()
	d.listen(name, cmd.Process, stdout, stdin)
	close(ended)
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL && plan != "" {
		d.fault(name, "kill")
		return nil
	}
	if err != nil {
		return fmt.Errorf("worker %s: %w: %s", name, err, d.stderr.String())
	}
	return nil
}

// listen reads a worker's messages until it ends. A stopped one goes on after two leases, and then finishes.
func (d *driver) listen(name string, p *os.Process, out io.Reader, in io.Closer) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 2<<20)
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue // cut off by a kill
		}
		if m.Kind == "stop" {
			d.fault(name, "stop")
			d.mu.Lock()
			d.stops = append(d.stops, m.At)
			d.mu.Unlock()
			time.AfterFunc(2*lease, func() {
				p.Signal(syscall.SIGCONT)
				time.AfterFunc(lease, func() { in.Close() })
			})
			continue
		}
		d.mu.Lock()
		d.history = append(d.history, heard{name, m})
		d.mu.Unlock()
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
