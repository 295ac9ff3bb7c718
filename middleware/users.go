package middleware

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware/internal/facts"
	"github.com/tokenkeep/tokenkeep/store"
)

// UserCache remembers users between requests. It must be made by [CacheUsers]; all methods may be called concurrently.
type UserCache[U any] struct {
	resolve func(context.Context, *store.Record) (U, error)
	life    time.Duration
	kept    *facts.Cache[resolved[U]]
	isNil   func(U) bool // nil: no U is
}

// resolved is what is known of a subject: its user, or the error that says that there is none.
type resolved[U any] struct {
	user    U
	unknown error
}

const (
	unknownLife  = 5 * time.Second  // for how long nobody is asked again about a user who does not exist
	userPatience = 10 * time.Second // for how long requests wait for resolve
)

// CacheUsers puts a memory of up to max users in front of resolve, for services whose user table is slower than their
// tokens:
//
//	users, err := middleware.CacheUsers(accounts.ByRecord, 10_000, 30*time.Second)
//	guard, err := middleware.New(keep, users.Resolve, nil)
//
// A user is remembered by Record.Provider and Record.Subject, and resolve must look at nothing else, in ctx neither; a
// record without a Subject goes straight to it. Requests share the user: nobody may change it. What happens to a user
// is seen after life at the latest, and at once after [UserCache.Forget]; a subject without user (store.ErrNotFound) is
// asked for again after 5 s. Other errors are not remembered, nor is a nil user. Tokens, scopes and sessions are checked
// on each request as ever: their end does not wait for life.
//
// Requests that miss the same user wait for one call of resolve. It has 10 s, and their contexts' values but not their
// ends; it runs in a goroutine of its own, a panic of which reaches those who wait.
func CacheUsers[U any](resolve func(ctx context.Context, rec *store.Record) (U, error), max int, life time.Duration) (*UserCache[U], error) { //nolint:lll,predeclared // max is what it is
	var errs []error
	if resolve == nil {
		errs = append(errs, errors.New("middleware: CacheUsers: the resolver is nil"))
	}
	if max < 2 {
		errs = append(errs, fmt.Errorf("middleware: CacheUsers: max is %d, at least 2", max))
	}
	if life <= 0 {
		errs = append(errs, fmt.Errorf("middleware: CacheUsers: life is %v, more than 0", life))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &UserCache[U]{resolve: resolve, life: life, kept: facts.New[resolved[U]](max), isNil: nilCheck[U]()}, nil
}

// Resolve is resolve with the memory in front, for [New].
func (c *UserCache[U]) Resolve(ctx context.Context, rec *store.Record) (U, error) {
	if rec.Subject == "" { // not one user, but whoever has none
		return c.resolve(ctx, rec)
	}
	key := userKey(rec.Provider, rec.Subject)
	got, ok := c.kept.Get(key, time.Now())
	if !ok {
		var err error
		if got, err = c.find(ctx, key, rec); err != nil {
			return got.user, err
		}
	}
	return got.user, got.unknown
}

func (c *UserCache[U]) find(ctx context.Context, key [32]byte, rec *store.Record) (resolved[U], error) {
	rec = rec.Clone() // who asked first may leave, and change what it has by then
	return c.kept.Find(ctx, key, userPatience, func(ctx context.Context) (resolved[U], time.Time, error) {
		began := time.Now() // what resolve read may be as old as this
		user, err := c.resolve(ctx, rec)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return resolved[U]{unknown: err}, began.Add(min(unknownLife, c.life)), nil
		case err != nil:
			return resolved[U]{}, time.Time{}, err
		case c.isNil != nil && c.isNil(user):
			return resolved[U]{}, time.Time{}, nil
		}
		return resolved[U]{user: user}, began.Add(c.life), nil
	})
}

// Forget makes the next request ask resolve again, for when a user was changed or locked. It reaches this process only;
// others see the change after life.
func (c *UserCache[U]) Forget(provider, subject string) { c.kept.Forget(userKey(provider, subject)) }

// Format tells nothing of the users.
func (UserCache[U]) Format(f fmt.State, _ rune) { fmt.Fprint(f, "middleware.UserCache") }

func userKey(provider, subject string) [32]byte {
	var room [128]byte // longer names allocate
	b := binary.AppendUvarint(room[:0], uint64(len(provider)))
	b = append(b, provider...)
	return sha256.Sum256(append(b, subject...))
}
