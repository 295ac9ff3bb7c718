package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/store/storetest"
)

// TestPlugin is all that the author of a store writes to prove it.
func TestPlugin(t *testing.T) {
	t.Parallel()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, storetest.Harness{
		Open: func(*testing.T) store.TokenStore { return &kvStore{engine: newKV(), ring: ring} },
		Peer: func(_ *testing.T, s store.TokenStore) store.TokenStore {
			return &kvStore{engine: s.(*kvStore).engine, ring: ring}
		},
		Raw: func(_ *testing.T, s store.TokenStore) []byte { return s.(*kvStore).raw() },
		Edit: func(_ *testing.T, s store.TokenStore, h store.Handle, edit func([]byte) []byte) {
			s.(*kvStore).engine.edit(h.Sum(), edit)
		},
		Break: func(_ *testing.T, s store.TokenStore) { s.(*kvStore).engine.fail(errors.New("connection refused")) },
	})
}

// kv stands for the engine's client.
type kv struct {
	mu   sync.Mutex
	data map[[32]byte]value
	down error
}

type value struct {
	sealed  []byte
	version string
}

var (
	errNoKey   = errors.New("no such key")
	errChanged = errors.New("condition failed")
)

func newKV() *kv { return &kv{data: map[[32]byte]value{}} }

func (e *kv) begin(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return e.down
}

func (e *kv) get(ctx context.Context, key [32]byte) ([]byte, string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.begin(ctx); err != nil {
		return nil, "", err
	}
	v, ok := e.data[key]
	if !ok {
		return nil, "", errNoKey
	}
	return bytes.Clone(v.sealed), v.version, nil
}

// put stores if the version is still old; an empty old means that there must be none.
func (e *kv) put(ctx context.Context, key [32]byte, sealed []byte, old, version string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.begin(ctx); err != nil {
		return err
	}
	switch v, ok := e.data[key]; {
	case !ok && old != "":
		return errNoKey
	case ok && v.version != old:
		return errChanged
	}
	e.data[key] = value{bytes.Clone(sealed), version}
	return nil
}

// remove deletes if the version is still v; an empty v means whatever is there.
func (e *kv) remove(ctx context.Context, key [32]byte, v string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.begin(ctx); err != nil {
		return err
	}
	switch now, ok := e.data[key]; {
	case !ok:
		return errNoKey
	case v != "" && now.version != v:
		return errChanged
	}
	delete(e.data, key)
	return nil
}

func (e *kv) edit(key [32]byte, edit func([]byte) []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.data[key]
	e.data[key] = value{edit(v.sealed), v.version}
}

func (e *kv) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = err
}

// raw is everything at rest.
func (s *kvStore) raw() []byte {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	var all bytes.Buffer
	for key, value := range s.engine.data {
		all.Write(key[:])
		all.Write(value.sealed)
		all.WriteString(value.version)
	}
	return all.Bytes()
}
