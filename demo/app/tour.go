package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tourist walks the demo over HTTP, tells what it sees, and checks it.
type tourist struct {
	out     io.Writer
	told    *logs // what was printed
	logs    *logs // what the demo logged
	http    *http.Transport
	steps   int
	failed  []string
	secrets map[string]bool // in full: none may appear in told or logs
	browser http.CookieJar  // outlives a restart
	*demo
}

// tour returns the exit code: 0 only if every step passed.
func tour(ctx context.Context, out io.Writer) int {
	began := time.Now()
	t := newTourist(out)
	defer t.http.CloseIdleConnections()
	dir, err := os.MkdirTemp("", "tokenkeep-tour-")
	if err != nil {
		fmt.Fprintln(out, "FAIL", err)
		return 1
	}
	defer os.RemoveAll(dir)
	t.visit(ctx, "The provider, dialect by dialect", config{store: memory}, (*tourist).dialects)
	t.visit(ctx, "The app with tokens in memory", config{store: memory}, (*tourist).everything)
	t.visit(ctx, "The app with tokens in SQLite", onDisk(dir, sqlite), (*tourist).everything)
	t.visit(ctx, "SQLite again, after a restart", t.again(), (*tourist).returning)
	t.visit(ctx, "The app with tokens in cookies", config{store: cookie}, (*tourist).everything)
	t.visit(ctx, "Cookies, with a database behind them", onDisk(dir, cookie), (*tourist).arriving)
	t.visit(ctx, "Cookies again, after a restart", t.again(), (*tourist).returning)
	t.visit(ctx, "Other ways in", config{store: memory}, (*tourist).ways)
	for _, kind := range []string{memory, sqlite, cookie} {
		t.visit(ctx, "Several replicas, tokens in "+kind, t.stormy(dir, kind), (*tourist).replicas)
	}
	t.visit(ctx, "Access tokens of one second", config{store: memory, accessTTL: time.Second}, (*tourist).shortLives)
	if ctx.Err() != nil {
		t.failed = append(t.failed, "interrupted")
	}
	t.nothingTold()
	t.printf("\n%d steps, %d failed, %.1f s\n", t.steps, len(t.failed), time.Since(began).Seconds())
	for _, name := range t.failed {
		t.printf("FAIL  %s\n", name)
	}
	if len(t.failed) > 0 {
		return 1
	}
	return 0
}

func newTourist(out io.Writer) *tourist {
	told := &logs{}
	return &tourist{
		out: io.MultiWriter(out, told), told: told, logs: &logs{}, secrets: map[string]bool{},
		http: &http.Transport{MaxIdleConnsPerHost: 256},
	}
}

// stormy is a configuration for several replicas.
func (t *tourist) stormy(dir, kind string) config {
	if kind == memory {
		return config{store: memory}
	}
	cfg := onDisk(filepath.Join(dir, "storm"), kind)
	if err := os.MkdirAll(filepath.Dir(cfg.db), 0o700); err != nil {
		t.failed = append(t.failed, err.Error())
	}
	return cfg
}

func onDisk(dir, kind string) config {
	file := filepath.Join(dir, kind+".db")
	return config{store: kind, db: file, keys: file + ".keys"}
}

// again returns the configuration of the last visit, with the addresses it had.
func (t *tourist) again() config {
	if t.demo == nil {
		return config{}
	}
	cfg := t.cfg
	cfg.addr, cfg.providerAddr = strings.TrimPrefix(t.app.url, "http://"), strings.TrimPrefix(t.provider.url, "http://")
	return cfg
}

// visit starts the demo on free ports, walks, and stops it.
func (t *tourist) visit(ctx context.Context, chapter string, cfg config, walk func(*tourist)) {
	if ctx.Err() != nil {
		return
	}
	t.printf("\n━━ %s\n", chapter)
	if cfg.addr == "" {
		cfg.addr, cfg.providerAddr = "127.0.0.1:0", "127.0.0.1:0"
	}
	d, err := start(cfg, t.logs)
	if err != nil {
		t.steps++
		t.failed = append(t.failed, chapter+": "+err.Error())
		return
	}
	t.demo = d
	walk(t)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	t.http.CloseIdleConnections()
	if err := d.stop(stop); err != nil {
		t.failed = append(t.failed, chapter+": "+err.Error())
	}
}

func (t *tourist) printf(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// step is one thing to see.
type step struct {
	*tourist
	name   string
	faults []string
}

// step tells, runs and judges one step; it returns whether it passed.
func (t *tourist) step(name string, run func(*step)) bool {
	t.steps++
	t.printf("\n%d. %s\n", t.steps, name)
	s := &step{tourist: t, name: name}
	run(s)
	if len(s.faults) == 0 {
		t.printf("PASS  %s\n", name)
		return true
	}
	for _, f := range s.faults {
		t.printf("FAIL  %s: %s\n", name, f)
	}
	t.failed = append(t.failed, name)
	return false
}

func (s *step) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// send prints and asks; it never returns nil.
func (s *step) send(q ask) *answer {
	s.remember(q)
	s.printf("   $ %s\n", q.curl())
	a, err := q.send(s.http)
	if err != nil {
		s.fault("no answer: %v", errors.Unwrap(err))
		return &answer{header: http.Header{}}
	}
	s.harvest(a)
	for _, line := range a.lines() {
		s.printf("   < %s\n", line)
	}
	return a
}

// want checks the status, and fields or headers given as name and value: headers start with a capital.
func (s *step) want(a *answer, status int, fields ...pair) {
	if a.status != status {
		s.fault("status %d, want %d", a.status, status)
	}
	for _, f := range fields {
		got := a.text(f.name)
		if f.name[0] >= 'A' && f.name[0] <= 'Z' {
			got = a.header.Get(f.name)
		}
		if got != f.value {
			s.fault("%s is %q, want %q", f.name, got, f.value)
		}
	}
}

func (s *step) check(ok bool, format string, args ...any) {
	if !ok {
		s.fault(format, args...)
	}
}

// tokenRequestsDuring counts the provider's log lines for token requests while run runs.
func (t *tourist) tokenRequestsDuring(run func()) int {
	count := func() int { return strings.Count(t.logs.String(), `msg="token request"`) }
	before := count()
	run()
	return count() - before
}
