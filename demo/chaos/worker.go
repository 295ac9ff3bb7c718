package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// message is one line from a worker.
type message struct {
	Kind       string    // ready, got, ended, denied, unavailable, unheard, stalled, stop, done, mixup
	Grant      string    `json:",omitempty"`
	Generation uint64    `json:",omitempty"`
	Began      time.Time `json:",omitzero"`
	At         time.Time `json:",omitzero"`
	Text       string    `json:",omitempty"`
}

// reporter writes messages whole, one a line: a kill may end the stream, never garble it.
type reporter struct {
	mu  sync.Mutex
	out io.Writer
}

func (r *reporter) tell(m message) {
	m.At = time.Now()
	line, _ := json.Marshal(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Write(append(line, '\n'))
}

func grantKey(grant string) store.Handle { return store.Key("chaos", grant) }

// named adds the worker's name to every request to the provider.
type named struct{ name string }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Worker", n.name)
	return http.DefaultTransport.RoundTrip(r)
}

func (c *config) client(provider string) *grants.Client {
	return &grants.Client{
		Provider: "chaos", TokenURL: provider + "/token", RevokeURL: provider + "/revoke",
		ID: "chaos", Secret: "not-a-secret", HTTP: &http.Client{Transport: named{c.name}},
	}
}

func (c *config) options(logs io.Writer) *keeper.Options {
	return &keeper.Options{
		SendBudget: sendBudget, CommitBudget: commitBudget, ClockMargin: clockMargin, Lease: lease,
		Logger: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// witness tells of every send whose answer did not come: on a busy machine that needs no fault of ours.
type witness struct {
	*grants.Client
	report *reporter
}

func (w witness) Refresh(ctx context.Context, rec *store.Record) (store.Token, error) {
	tok, err := w.Client.Refresh(ctx, rec)
	if e := (interface{ Outcome() keeper.Outcome })(nil); errors.As(err, &e) && e.Outcome() == keeper.Unknown {
		w.report.tell(message{Kind: "unheard", Grant: grantOf(rec.Token.RefreshToken)})
	}
	return tok, err
}

// slow tells of store calls that took longer than the protocol's margin: the engine was busy, or somebody who was
// stopped holds its lock.
type slow struct {
	store.TokenStore
	report *reporter
}

func (s slow) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	defer s.time(time.Now())
	return s.TokenStore.Get(ctx, h)
}

func (s slow) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	defer s.time(time.Now())
	return s.TokenStore.Put(ctx, h, rec)
}

func (s slow) time(began time.Time) {
	if time.Since(began) > clockMargin {
		s.report.tell(message{Kind: "stalled", Began: began})
	}
}

// watch tells when this process did not run for a while, which to the protocol is a pause.
func watch(report *reporter) {
	for last := time.Now(); ; {
		time.Sleep(5 * time.Millisecond)
		now := time.Now()
		if now.Sub(last) > clockMargin/2 {
			report.tell(message{Kind: "stalled", Began: last})
		}
		last = now
	}
}

// work is a worker's life: it asks for grants at random until standard input ends, or its plan ends it.
func work(c config) error {
	ctx := context.Background()
	tokens, err := c.open(ctx)
	if err != nil {
		return err
	}
	report := &reporter{out: os.Stdout}
	o := c.options(os.Stderr)
	follow(o, os.Getenv("CHAOS_PLAN"), report)
	if os.Getenv("CHAOS_STORM") != "" {
		return storm(ctx, tokens, &c, report)
	}
	go watch(report)
	keep, err := keeper.New(slow{tokens, report}, witness{c.client(c.worker), report}, o)
	if err != nil {
		return err
	}
	report.tell(message{Kind: "ready"})
	before := runtime.NumGoroutine()
	stop := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(stop)
	}()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() { ask(ctx, &c, keep, report, stop) })
	}
	wg.Wait()
	if err := keep.Close(ctx); err != nil {
		return err
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	report.tell(message{Kind: "done", Text: leaked(before)})
	return nil
}

// leaked waits for the goroutines to be what they were and tells those of the keeper that are left.
func leaked(before int) string {
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return ""
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if strings.Contains(string(stacks), "/store/keeper.") {
		return string(stacks)
	}
	return ""
}

func ask(ctx context.Context, c *config, keep *keeper.Keeper, report *reporter, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rand.IntN(6)) * time.Millisecond):
		}
		n := rand.IntN(c.grants)
		grant := fmt.Sprint("g", n)
		if n%10 == 0 && rand.IntN(200) == 0 { // a tenth of the grants are signed out some day
			if err := keep.End(ctx, grantKey(grant)); err == nil {
				report.tell(message{Kind: "ended", Grant: grant})
			}
			continue
		}
		began := time.Now()
		rec, err := keep.Get(ctx, grantKey(grant))
		m := message{Grant: grant, Began: began}
		switch {
		case err == nil && !strings.HasPrefix(rec.Token.AccessToken, "secret-"+grant+"-"):
			m.Kind = "mixup"
		case err == nil:
			m.Kind, m.Generation = "got", rec.Generation
		case errors.Is(err, store.ErrNotFound), errors.Is(err, keeper.ErrLoginRequired):
			m.Kind, m.Text = "denied", err.Error()
		default:
			m.Kind, m.Text = "unavailable", err.Error()
		}
		report.tell(m)
	}
}

// storm asks 1,000 times at once for one grant when told to.
func storm(ctx context.Context, tokens store.TokenStore, c *config, report *reporter) error {
	keep, err := keeper.New(tokens, c.client(c.worker), nil) // with the times as they are
	if err != nil {
		return err
	}
	report.tell(message{Kind: "ready"})
	bufio.NewReader(os.Stdin).ReadString('\n')
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			rec, err := keep.Get(ctx, grantKey("storm"))
			if err != nil {
				report.tell(message{Kind: "unavailable", Text: err.Error()})
				return
			}
			report.tell(message{Kind: "got", Generation: rec.Generation})
		})
	}
	wg.Wait()
	return keep.Close(ctx)
}
