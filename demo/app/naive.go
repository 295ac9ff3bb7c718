package app

import (
	"context"
	"net/http"
	"sync"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// naive is what a service does without a keeper: each replica holds a copy of the token and refreshes it behind a
// mutex, as the usual token sources do. Within one process that is one refresh; across processes it is not.
type naive struct {
	client *grants.Client
	mu     sync.Mutex
	tok    store.Token
	fresh  bool
	err    error // signed out
}

//show:naive

func (n *naive) token(ctx context.Context) (store.Token, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fresh || n.err != nil {
		return n.tok, n.err
	}
	old := &store.Record{Provider: n.client.Provider, Token: n.tok}
	tok, err := n.client.Refresh(ctx, old)
	if err != nil {
		n.err = err // and the user is signed out
		return store.Token{}, err
	}
	n.tok, n.fresh = tok, true
	return tok, nil
}

//end

// runNaive is the same storm without the keeper.
func (s *storm) runNaive(ctx context.Context, o order, lines chan<- line) error {
	transport := &http.Transport{MaxIdleConnsPerHost: maxCalls}
	defer transport.CloseIdleConnections()
	first := stormClient(s.d, o.way(), 0, transport)
	tok, err := first.Password(ctx, s.d.accounts[0].login, s.d.accounts[0].password)
	if err != nil {
		return err
	}
	sources := make([]*naive, o.replicas)
	for i := range sources {
		sources[i] = &naive{client: stormClient(s.d, o.way(), i+1, transport), tok: tok}
	}
	call := func(i int) (int, error) {
		n := sources[i%len(sources)]
		tok, err := n.token(ctx)
		if err == nil {
			var u user
			err = n.client.UserInfo(ctx, tok, &u)
		}
		if err != nil { // what its user gets
			return http.StatusUnauthorized, nil //nolint:nilerr // it is an answer
		}
		return http.StatusOK, nil
	}
	return s.let(ctx, o, lines, "-", nil, call)
}
