package cookiestore

import (
	"errors"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// Replicas says how the processes that serve one cookie agree on refreshes. Make it with [SingleReplica], [Coordinator]
// or [InsecureUncoordinated]; [New] refuses the zero value.
type Replicas struct {
	how    how
	tokens store.TokenStore
}

type how uint8

const (
	unsaid how = iota
	single
	coordinated
	uncoordinated
)

// SingleReplica declares that one process serves all requests. What replicas would agree on through a database, its
// requests agree on in its memory: the newest tokens of each record it refreshed, so that a stale cookie gets them, and
// what was logged out. A restart forgets both.
func SingleReplica() Replicas { return Replicas{how: single} }

// Coordinator names the compare-and-set store through which any number of replicas agree: it holds a lease and the
// newest tokens for each record that is being refreshed, and what has been logged out.
func Coordinator(tokens store.TokenStore) Replicas { return Replicas{how: coordinated, tokens: tokens} }

// InsecureUncoordinated accepts that two replicas may spend one refresh token, each of them agreeing with itself only.
// That is harmless where the provider does not rotate refresh tokens or answers a reuse with a grace, and ends users'
// grants where it does not.
func InsecureUncoordinated() Replicas { return Replicas{how: uncoordinated} }

// coordinator returns the store to agree through.
func (r Replicas) coordinator() (store.TokenStore, error) {
	switch r.how {
	case single, uncoordinated:
		return memstore.New(nil)
	case coordinated:
		if r.tokens == nil {
			return nil, errors.New("cookiestore: Coordinator: no store")
		}
		if _, is := r.tokens.(store.Stateless); is {
			return nil, errors.New("cookiestore: Coordinator: a stateless store cannot compare and set")
		}
		return r.tokens, nil
	case unsaid:
	}
	return nil, errors.New("cookiestore: say how replicas are coordinated: SingleReplica, Coordinator or InsecureUncoordinated")
}
