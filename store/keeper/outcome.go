package keeper

import (
	"context"
	"errors"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Refresher asks the provider for a new token by the record's refresh token (RFC 6749 section 6). It says what the
// provider said; the keeper merges (an answer without a refresh token keeps the old one and its expiry), decides when
// to call, how often, and what a failure means. It must honour ctx and may be called concurrently for different
// grants.
//
// An error may carry an [Outcome] through interface{ Outcome() Outcome }; without one it is [Unknown]. It may also
// carry interface{ RetryAfter() time.Duration }. If the returned Token has a RefreshToken although the error is not
// nil, the answer held one: it is kept.
//
// Optional on the same value: [Revoker]; Providers() []string, the names that Start accepts in Record.Provider; and, for
// tokens whose type is not Bearer, such as those bound to a key (RFC 9449),
//
//	Carry(req *http.Request, rec *store.Record, next http.RoundTripper) (*http.Response, error)
//
// by which Client sends req with rec's token over next. It keeps to the contract of http.RoundTripper. Without it such
// tokens go out as Bearer.
type Refresher interface {
	Refresh(ctx context.Context, rec *store.Record) (store.Token, error)
}

// RefreshFunc is a function as a [Refresher].
type RefreshFunc func(ctx context.Context, rec *store.Record) (store.Token, error)

// Refresh calls f.
func (f RefreshFunc) Refresh(ctx context.Context, rec *store.Record) (store.Token, error) {
	return f(ctx, rec)
}

// Revoker is implemented by a [Refresher] that can revoke what rec holds (RFC 7009). Nil means settled: revoked, or
// unknown to the provider.
type Revoker interface {
	Revoke(ctx context.Context, rec *store.Record) error
}

// Outcome tells what a failed refresh did to the grant.
type Outcome uint8

const (
	// Unknown: the refresh token may have been spent (no answer, an unreadable answer, a 5xx).
	Unknown Outcome = iota
	// Dead: the provider refused the grant itself (invalid_grant). Only a new login helps.
	Dead
	// ConfigError: the provider refused this client or request, such as invalid_client. The grant is kept; an operator
	// has to act.
	ConfigError
	// RetryLater: the refresh token was not spent: nothing was sent, or the provider asked to come back.
	RetryLater
)

// String returns the outcome in snake case, as in logs.
func (o Outcome) String() string {
	switch o {
	case Dead:
		return "dead"
	case ConfigError:
		return "config_error"
	case RetryLater:
		return "retry_later"
	default:
		return "unknown"
	}
}

func outcomeOf(err error) Outcome {
	var o interface{ Outcome() Outcome }
	if errors.As(err, &o) {
		if out := o.Outcome(); out <= RetryLater {
			return out
		}
	}
	return Unknown
}

func retryAfterOf(err error) time.Duration {
	var r interface{ RetryAfter() time.Duration }
	if errors.As(err, &r) {
		return r.RetryAfter()
	}
	return 0
}
