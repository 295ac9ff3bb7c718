package jose

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	fetchTimeout = 5 * time.Second
	maxBody      = 512 << 10
)

// snapshot is one fetched set. It does not change.
type snapshot struct {
	keys    map[string][]Key // by kid; "" has all
	unnamed []Key            // without a kid: they fit every one
	sum     [32]byte         // of what was fetched
	fetched time.Time        // when the request was sent
}

func (s *snapshot) find(kid string) ([]Key, bool) {
	if s == nil {
		return nil, false
	}
	if keys, ok := s.keys[kid]; ok {
		return keys, true
	}
	return s.unnamed, len(s.unnamed) > 0
}

func (s *snapshot) age(now time.Time) time.Duration {
	if s == nil {
		return 0
	}
	return now.Sub(s.fetched)
}

func newSnapshot(body []byte, now time.Time) (*snapshot, error) {
	set, err := ParseKeySet(body)
	if err != nil {
		return nil, err
	}
	set = slices.DeleteFunc(set, Key.secret) // a secret that is published is none
	s := &snapshot{keys: map[string][]Key{"": set}, sum: sha256.Sum256(body), fetched: now}
	for _, k := range set {
		if k.ID == "" {
			s.unnamed = append(s.unnamed, k)
		}
	}
	for _, k := range set {
		if k.ID != "" {
			s.keys[k.ID] = append([]Key{k}, s.unnamed...)
		}
	}
	return s, nil
}

// flight is one fetch.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiters int
	wanted  string // the first unknown kid that somebody waits for
}

// start begins a fetch that has nothing to do with any caller's context. r.mu is held.
func (r *Remote) start(now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	r.flight = f
	go func() {
		defer cancel()
		set, err := r.fetch(ctx, now)
		r.land(f, set, err)
	}()
}

// land takes over what a fetch brought.
func (r *Remote) land(f *flight, set *snapshot, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(f.done)
	r.flight = nil
	if r.closed {
		err = errClosed
	}
	if err != nil {
		r.failed, r.tried = err, r.now()
		r.failures++
		return
	}
	r.failures = 0
	if _, found := set.find(f.wanted); !found {
		r.missed = r.now()
	}
	old := r.known.Swap(set)
	if old != nil && old.sum != set.sum {
		r.generation.Add(1) // after the set: who sees the new number sees the new keys
	}
}

// fetch gets the set. A transport that panics fails like any other, and takes nobody with it.
func (r *Remote) fetch(ctx context.Context, now time.Time) (set *snapshot, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the transport panicked")
		}
	}()
	req := (&http.Request{
		Method: http.MethodGet, URL: r.url, Host: r.url.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {"application/jwk-set+json, application/json"}},
	}).WithContext(ctx)
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		return nil, bare(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer has status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, bare(err)
	case len(body) > maxBody:
		return nil, errors.New("the answer is larger than 512 KiB")
	}
	return newSnapshot(body, now)
}

// bare is err without the URL.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// transportOf is the transport of c. That of a nil one keeps no connections, which would need somebody to close them.
func transportOf(c *http.Client) http.RoundTripper {
	if c != nil && c.Transport != nil {
		return c.Transport
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Close ends a fetch under way, and returns when it has ended. [Remote.Keys] fails from then on. The error is nil.
func (r *Remote) Close() error {
	r.mu.Lock()
	r.closed = true
	r.known.Store(nil)
	f := r.flight
	r.mu.Unlock()
	if f != nil {
		f.cancel()
		<-f.done
	}
	return nil
}
