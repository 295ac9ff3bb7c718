package keeper

import (
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
)

var (
	// ErrLoginRequired: the grant is dead, or cannot be refreshed and has expired; only a new login helps. Every later
	// caller sees it too. It wraps the refresher's error where there is one.
	ErrLoginRequired = errors.New("keeper: login required")
	// ErrUnavailable: the store or the provider could not be asked, or asked to come back later. Nothing has ended.
	ErrUnavailable = errors.New("keeper: unavailable")
)

// ExpiredError is what [Manual] mode answers for an expired token: no provider was called. It also errors.Is
// [ErrLoginRequired] if no refresh is possible.
type ExpiredError struct {
	Record *store.Record // as stored
	final  bool
}

// Error says which of the two it is.
func (e *ExpiredError) Error() string {
	if e.final {
		return "keeper: token expired and cannot be refreshed: login required"
	}
	return "keeper: token expired"
}

// Is reports ErrLoginRequired if no refresh is possible.
func (e *ExpiredError) Is(target error) bool { return e.final && target == ErrLoginRequired }

// UpdatedError is what [Signal] mode answers after a refresh: the new token is stored, and the next call succeeds
// without another refresh.
type UpdatedError struct {
	Record *store.Record // as stored now
}

// Error says that the call is to be repeated.
func (e *UpdatedError) Error() string { return "keeper: token updated: repeat the call" }

// failure gives one of the sentinels a reason and, maybe, a cause.
type failure struct {
	kind   error
	reason string
	cause  error
}

func (e *failure) Error() string {
	text := e.kind.Error() + ": " + e.reason
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

func (e *failure) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

func unavailable(reason string, cause error) error {
	return &failure{kind: ErrUnavailable, reason: reason, cause: cause}
}

func loginRequired(reason string, cause error) error {
	return &failure{kind: ErrLoginRequired, reason: reason, cause: cause}
}

// storeError keeps the sentinels, and calls everything else unavailable.
func storeError(doing string, err error) error {
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, errors.ErrUnsupported) ||
		errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return unavailable(doing, err)
}

var errClosed = unavailable("the keeper is closed", nil)

var errHop = fmt.Errorf("keeper: the shared grant points to another grant: %w", errors.ErrUnsupported)
