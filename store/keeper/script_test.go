package keeper_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

var (
	background = context.Background()
	chaosKey   = store.Key("partner", "42")
)

// fault is a refresher's error with an outcome.
type fault struct {
	text    string
	outcome keeper.Outcome
}

func (e *fault) Error() string           { return e.text }
func (e *fault) Outcome() keeper.Outcome { return e.outcome }

var (
	errLost    = error(&fault{"connection reset", keeper.Unknown})
	errRefused = error(&fault{"invalid_grant", keeper.Dead})
)

type noTransport struct{}

func (noTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network")
}

// chaosRecord has an access token that has expired.
func chaosRecord(refresh string) *store.Record {
	return &store.Record{Subject: "u", Provider: "p", Token: store.Token{
		AccessToken: "at" + strings.TrimPrefix(refresh, "rt"), RefreshToken: refresh, Expiry: time.Now().Add(-time.Minute),
	}}
}

// plain is the provider without a network.
type plain struct{ *issuer }

// Refresh implements keeper.Refresher.
func (p plain) Refresh(_ context.Context, rec *store.Record) (store.Token, error) {
	a := p.use("plain", rec.Token.RefreshToken)
	if a.refused {
		return store.Token{}, errRefused
	}
	return store.Token{AccessToken: a.access, RefreshToken: a.refresh, Expiry: time.Now().Add(time.Hour)}, nil
}

// Revoke implements keeper.Revoker.
func (p plain) Revoke(_ context.Context, rec *store.Record) error {
	p.revoke("plain", rec.Token.RefreshToken)
	return nil
}

// move is how the provider, or what lies before it, treats one request; serve is the provider itself.
type move func(ctx context.Context, serve func() (store.Token, error)) (store.Token, error)

// script is the provider as a refresher, with the moves that are planned; without a plan it answers after latency.
type script struct {
	plain
	latency time.Duration

	mu       sync.Mutex
	plan     []move
	always   move
	inflight map[string]int // by refresh token
	most     int            // of inflight, for one token
	busy     atomic.Int64
	crowd    atomic.Int64 // most of busy
}

// Refresh implements keeper.Refresher.
func (s *script) Refresh(ctx context.Context, rec *store.Record) (store.Token, error) {
	text := rec.Token.RefreshToken
	s.mu.Lock()
	m := s.always
	if len(s.plan) > 0 {
		m, s.plan = s.plan[0], s.plan[1:]
	}
	s.inflight[text]++
	s.most = max(s.most, s.inflight[text])
	s.mu.Unlock()
	if n := s.busy.Add(1); n > s.crowd.Load() {
		s.crowd.Store(n)
	}
	defer func() {
		s.busy.Add(-1)
		s.mu.Lock()
		s.inflight[text]--
		s.mu.Unlock()
	}()
	serve := func() (store.Token, error) { return s.plain.Refresh(ctx, rec) }
	if m != nil {
		return m(ctx, serve)
	}
	if err := wait(ctx, s.latency); err != nil {
		return store.Token{}, err
	}
	return serve()
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *script) next(plan ...move) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = append(s.plan, plan...)
}

// bench is one expired grant under chaosKey, a provider, and as many processes as a test asks for.
type bench struct {
	*script
	t   *testing.T
	mem *memstore.Store
	rec *store.Record // as started
}

// faultTest runs fn for each kind in virtual time.
func faultTest(t *testing.T, on []kind, fn func(b *bench)) {
	t.Helper()
	t.Parallel()
	for _, k := range on {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { fn(newBench(t, k)) })
		})
	}
}

func newBench(t *testing.T, k kind) *bench {
	b := &bench{t: t, script: &script{plain: plain{newIssuer(k, time.Hour, time.Now)}, inflight: map[string]int{}, latency: 200 * time.Millisecond}}
	var err error
	if b.mem, err = memstore.New(nil); err != nil {
		t.Fatal(err)
	}
	if b.rec, err = b.process(nil).Start(background, chaosKey, chaosRecord(b.login())); err != nil {
		t.Fatal(err)
	}
	return b
}

// process returns a keeper of its own over the shared store.
func (b *bench) process(o *keeper.Options) *keeper.Keeper { return b.over(b.mem, o) }

func (b *bench) over(tokens store.TokenStore, o *keeper.Options) *keeper.Keeper {
	b.t.Helper()
	var opts keeper.Options
	if o != nil {
		opts = *o
	}
	opts.Transport, opts.Logger = noTransport{}, slog.New(slog.DiscardHandler)
	k, err := keeper.New(tokens, b.script, &opts)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(background)
		cancel()
		k.Close(ctx)
	})
	return k
}

// get wants a valid token.
func (b *bench) get(k *keeper.Keeper) *store.Record {
	b.t.Helper()
	rec, err := k.Get(background, chaosKey)
	if err != nil {
		b.t.Fatalf("Get: %v", err)
	}
	if !time.Now().Before(rec.Token.Expiry) {
		b.t.Fatalf("Get: a token that expired at %v", rec.Token.Expiry)
	}
	return rec
}

func (b *bench) row() *store.Record {
	b.t.Helper()
	rec, err := b.mem.Get(background, chaosKey)
	if rec == nil {
		b.t.Fatalf("the row: %v", err)
	}
	return rec
}

func (b *bench) wantCalls(n int) {
	b.t.Helper()
	if got := len(b.calls("refresh")); got != n {
		b.t.Errorf("%d refreshes reached the provider, want %d: %v", got, n, b.calls("refresh"))
	}
}

// abandon calls Get in a process that will die in it.
func (b *bench) abandon(k *keeper.Keeper) {
	ctx, cancel := context.WithCancel(background)
	b.t.Cleanup(cancel)
	go k.Get(ctx, chaosKey)
	synctest.Wait()
}

// The moves.

// die ends the process before the request leaves.
func die(context.Context, func() (store.Token, error)) (store.Token, error) {
	runtime.Goexit()
	panic("unreachable")
}

// dieAfter ends the process when the provider has answered.
func dieAfter(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
	serve()
	return die(nil, nil)
}

// failAfter commits at the provider and answers with err.
func failAfter(err error) move {
	return func(_ context.Context, serve func() (store.Token, error)) (store.Token, error) {
		serve()
		return store.Token{}, err
	}
}

// failWith answers err without asking the provider.
func failWith(err error) move {
	return func(context.Context, func() (store.Token, error)) (store.Token, error) { return store.Token{}, err }
}

// hang commits at the provider and never answers.
func hang(ctx context.Context, serve func() (store.Token, error)) (store.Token, error) {
	serve()
	<-ctx.Done()
	return store.Token{}, ctx.Err()
}

// tamper is the store with its calls wrapped: put and get may fail, block or end the process.
type tamper struct {
	store.TokenStore
	get func(do func() (*store.Record, error)) (*store.Record, error)
	put func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error)
}

// Get implements store.TokenStore.
func (t *tamper) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	do := func() (*store.Record, error) { return t.TokenStore.Get(ctx, h) }
	if t.get == nil {
		return do()
	}
	return t.get(do)
}

// Put implements store.TokenStore.
func (t *tamper) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	do := func() (*store.Record, error) { return t.TokenStore.Put(ctx, h, rec) }
	if t.put == nil {
		return do()
	}
	return t.put(rec, do)
}
