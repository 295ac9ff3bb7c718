package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// front is one address for several processes of the app, as a load balancer is: each request goes to the next one. It
// does no more than that, and start them, start them again, and pass on what their keepers say.
type front struct {
	d       *demo
	proxy   *httputil.ReverseProxy
	out     *http.Transport
	storm   *storm
	next    atomic.Uint64
	quit    atomic.Bool
	mu      sync.Mutex // guards what follows
	members []*member
	ends    sync.WaitGroup
}

// member is one process.
type member struct {
	url  *url.URL
	cmd  *exec.Cmd
	in   io.Closer // it lives as long as this is open
	dead chan struct{}
}

const startPatience = 20 * time.Second

func newFront(d *demo) (*front, error) {
	f := &front{d: d, out: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}}
	f.storm = &storm{d: d.surroundings, cast: f}
	f.proxy = &httputil.ReverseProxy{
		FlushInterval: -1, // events go through at once
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.Host = r.In.Host // what cookies and origins are made for
		},
		Transport: f,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "this replica is down; try again", http.StatusBadGateway)
		},
	}
	for range d.cfg.replicas {
		f.members = append(f.members, nil)
	}
	for i := range f.members {
		fmt.Fprintf(d.logs, "starting process %d of %d\n", i+1, len(f.members))
		m, err := f.start(i + 1)
		if err != nil {
			return f, errors.Join(err, f.close(context.Background()))
		}
		f.members[i] = m
	}
	return f, nil
}

// turn returns those that are alive, the next one first.
func (f *front) turn() (up []*url.URL) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := int(f.next.Add(1) % uint64(len(f.members)))
	for i := range f.members {
		m := f.members[(first+i)%len(f.members)]
		select {
		case <-m.dead:
		default:
			up = append(up, m.url)
		}
	}
	return up
}

// RoundTrip asks the replica whose turn it is. If that one is gone and the request may be repeated, it asks the others.
func (f *front) RoundTrip(r *http.Request) (*http.Response, error) {
	err := errors.New("demo: no replica is up")
	for _, at := range f.turn() {
		to := *r.URL
		to.Host = at.Host
		out := *r
		out.URL = &to
		var resp *http.Response
		if resp, err = f.out.RoundTrip(&out); err == nil {
			return resp, nil
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Context().Err() != nil {
			break
		}
	}
	return nil, err
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/storm":
		f.storm.ServeHTTP(w, r)
	case r.Method == http.MethodGet && r.URL.Path == "/events":
		f.events(w, r)
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// events come from all replicas; which record they are about is for one of them to say.
func (f *front) events(w http.ResponseWriter, r *http.Request) {
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, f.d.appURL+"/state", nil)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "try again")
		return
	}
	ask.Header["Cookie"] = r.Header["Cookie"]
	resp, err := f.RoundTrip(ask)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "try again")
		return
	}
	defer resp.Body.Close()
	var s state
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&s) != nil || s.Record == "" {
		refuse(w, http.StatusUnauthorized, "invalid_token", "nobody is signed in")
		return
	}
	f.d.events.stream(w, r, s.Record)
}

// start runs replica number i and waits until it is ready.
func (f *front) start(i int) (*member, error) {
	c := f.d.cfg
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{
		"-replica", strconv.Itoa(i), "-replicas", strconv.Itoa(c.replicas), "-addr", "127.0.0.1:0", "-front", f.d.appURL, "-provider", f.d.providerURL,
		"-store", c.store, "-db", c.db, "-keys", c.keys, "-redis", c.redis, "-access-ttl", c.accessTTL.String(),
	}
	cmd := exec.Command(self, args...)
	if c.spawn != nil {
		cmd = c.spawn(args)
	}
	cmd.Stderr = f.d.logs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("demo: starting replica %d: %w", i, err)
	}
	m := &member{cmd: cmd, in: in, dead: make(chan struct{})}
	ready := make(chan struct{})
	f.ends.Go(func() { f.follow(i, m, out, ready) })
	select {
	case <-ready:
		if m.url != nil {
			fmt.Fprintf(f.d.logs, "process %d is up: pid %d\n", i, cmd.Process.Pid) // for whoever wants to kill one
			return m, nil
		}
		err = fmt.Errorf("demo: replica %d did not start", i)
	case <-time.After(startPatience):
		err = fmt.Errorf("demo: replica %d took too long to start", i)
	}
	cmd.Process.Kill() // it may be gone
	return nil, err
}

// follow reads what a replica says until it ends, and starts another in its place unless all is over.
func (f *front) follow(i int, m *member, out io.Reader, ready chan<- struct{}) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text := lines.Text()
		if told, ok := strings.CutPrefix(text, eventPrefix); ok {
			var e event
			if json.Unmarshal([]byte(told), &e) == nil {
				f.d.events.tell(e)
			}
		} else if words := strings.Fields(text); len(words) == 5 && words[0] == "ready:" && m.url == nil {
			m.url, _ = url.Parse(words[2])
			close(ready)
		}
	}
	m.cmd.Wait() // however it ended
	close(m.dead)
	if m.url == nil {
		close(ready)
		return
	}
	if f.quit.Load() {
		return
	}
	again, err := f.start(i)
	if err != nil {
		fmt.Fprintln(f.d.logs, err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members[i-1] = again
}

// eventPrefix begins the lines on which a replica tells its front of events.
const eventPrefix = "event "

// replicas are the processes, for a storm. There are as many as there are, and their leases are what they are.
func (f *front) replicas(_ string, n int, _ bool) ([]target, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var targets []target
	for i := range min(n, len(f.members)) {
		m := f.members[i]
		targets = append(targets, target{m.url.String(), func() { m.cmd.Process.Kill() }}) // it may be gone
	}
	return targets, nil
}

func (f *front) picked(r *http.Request) string { return (&stage{d: f.d.surroundings}).picked(r) }

// close ends the processes: each gets time to finish what it has begun.
func (f *front) close(ctx context.Context) error {
	f.quit.Store(true)
	defer f.out.CloseIdleConnections()
	f.mu.Lock()
	members := f.members
	f.mu.Unlock()
	for _, m := range members {
		if m != nil {
			m.in.Close() // it may be gone
		}
	}
	done := make(chan struct{})
	go func() {
		f.ends.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		for _, m := range members {
			if m != nil {
				m.cmd.Process.Kill() // it may be gone
			}
		}
		<-done
		return ctx.Err()
	}
}
