package middleware

import (
	"context"

	"github.com/tokenkeep/tokenkeep/store"
)

// Verifier turns the credential that a request carried into a record, with the granted scopes in Record.Token.Scopes.
// It is the one seam between a guard and whatever issues tokens: a keeper (opaque handles of our own stores), a JWT or
// introspection verifier, an authorization server, or a [VerifierFunc].
//
// It answers store.ErrNotFound or [ErrInvalidToken] for a token that is unknown, expired, revoked or malformed (401),
// keeper.ErrLoginRequired for one whose grant is dead (401), and any other error when it could not find out (503). It may cache facts, never
// decisions, refuses a token that is bound to a key (cnf) unless it checked the binding, and must be safe for
// concurrent use. The record is for reading: it may be the same one for many requests, so that a token that was seen
// before costs no copy of it, and neither guard, resolver nor handler changes it.
type Verifier interface {
	Verify(ctx context.Context, credential string) (*store.Record, error)
}

// VerifierFunc is a function as a [Verifier].
type VerifierFunc func(ctx context.Context, credential string) (*store.Record, error)

// Verify calls f.
func (f VerifierFunc) Verify(ctx context.Context, credential string) (*store.Record, error) {
	return f(ctx, credential)
}

// Self resolves to the record itself, for services without users of their own:
//
//	guard, err := middleware.New(keep, middleware.Self, nil)
func Self(_ context.Context, rec *store.Record) (*store.Record, error) { return rec, nil }
