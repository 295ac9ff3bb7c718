package app

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/tokenkeep/tokenkeep/store"
)

// mortal is what a replica reaches the world through. Once killed, nothing it does has any effect any more, like a
// process that got a SIGKILL: what it had under way at the provider goes on there, and its answer is lost.
type mortal struct{ dead atomic.Bool }

var errDead = errors.New("demo: this replica was killed")

func (m *mortal) transport(t http.RoundTripper) http.RoundTripper { return mortalTransport{m, t} }

type mortalTransport struct {
	*mortal
	http.RoundTripper
}

func (m mortalTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	resp, err := m.RoundTripper.RoundTrip(r)
	if err == nil && m.dead.Load() {
		resp.Body.Close()
		return nil, errDead
	}
	return resp, err
}

// bound returns tokens as m reaches it: a stateless store stays one.
func (m *mortal) bound(tokens store.TokenStore) store.TokenStore {
	s, ok := tokens.(store.Stateless)
	if !ok {
		return &mortalStore{m, tokens}
	}
	return &mortalStateless{mortalStore{m, tokens}, s}
}

type mortalStore struct {
	*mortal
	tokens store.TokenStore
}

func (m *mortalStore) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.tokens.Get(ctx, h)
}

func (m *mortalStore) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	return m.tokens.Put(ctx, h, rec)
}

func (m *mortalStore) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	if m.dead.Load() {
		return errDead
	}
	return m.tokens.Delete(ctx, h, v)
}

type mortalStateless struct {
	mortalStore
	stateless store.Stateless
}

func (m *mortalStateless) Coordinator() store.TokenStore {
	return &mortalStore{m.mortal, m.stateless.Coordinator()}
}

// Bind passes on what sealed cookies are bound to.
func (m *mortalStateless) Bind(name string) error {
	if b, ok := m.tokens.(interface{ Bind(name string) error }); ok {
		return b.Bind(name)
	}
	return nil
}
