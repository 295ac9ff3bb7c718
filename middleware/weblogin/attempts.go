package weblogin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Wrong passwords are counted in records of Options.Flows: Generation is how many, and the record expires with the
// window that the first one opened.
const (
	attemptWindow     = 10 * time.Minute
	attemptsByAccount = 10
	attemptsByAddress = 100
)

// attempt is one counter of a guess.
type attempt struct {
	h     store.Handle
	limit uint64
}

// attempts returns what a guess at username counts against. Names that differ in case or surrounding space may be one
// account at the provider; whether there is such an account plays no role.
func (l *Login) attempts(r *http.Request, username string) []attempt {
	provider := l.client.Providers()[0]
	var all []attempt
	if l.o.ClientAddress != nil {
		if from := l.o.ClientAddress(r); from != "" {
			all = append(all, attempt{store.Key("password attempts from", provider, from), attemptsByAddress})
		}
	}
	account := strings.ToLower(strings.TrimSpace(username))
	return append(all, attempt{store.Key("password attempts at", provider, account), attemptsByAccount})
}

// reserve counts a guess before it is made, so that guesses side by side cannot pass together. If one of the counters
// is at its limit it counts nothing.
func (l *Login) reserve(ctx context.Context, all []attempt) *Failure {
	for i, a := range all {
		wait, err := l.count(ctx, a, true)
		if err == nil && wait == 0 {
			continue
		}
		l.giveBack(ctx, all[:i])
		if err != nil {
			return later(err)
		}
		return &Failure{Status: http.StatusTooManyRequests, Text: textTooMany, Err: &tooMany{wait}}
	}
	return nil
}

// giveBack uncounts a guess that was none: the password was right, or nobody looked at it.
func (l *Login) giveBack(ctx context.Context, all []attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonPatience)
	defer cancel()
	for _, a := range all {
		if _, err := l.count(ctx, a, false); err != nil {
			l.o.Logger.WarnContext(ctx, "weblogin: a sign-in still counts as a wrong password", "error", err)
		}
	}
}

// count adds one to a counter, or takes one away. wait is how long the counter stays at its limit, if it is there.
func (l *Login) count(ctx context.Context, a attempt, up bool) (wait time.Duration, err error) {
	for range 2 * attemptsByAddress { // each lost race is somebody else's count
		now := time.Now()
		rec, err := l.o.Flows.Get(ctx, a.h)
		switch {
		case errors.Is(err, store.ErrNotFound):
			rec = &store.Record{ID: rand.Text(), Created: now, Expires: now.Add(attemptWindow)}
		case err != nil:
			return 0, fmt.Errorf("weblogin: counting attempts: %w", err)
		}
		switch {
		case up && rec.Generation >= a.limit:
			return max(time.Second, rec.Expires.Sub(now)), nil
		case up:
			rec.Generation++
		case rec.Generation == 0:
			return 0, nil
		default:
			rec.Generation--
		}
		_, err = l.o.Flows.Put(ctx, a.h, rec)
		switch {
		case err == nil:
			return 0, nil
		case errors.Is(err, store.ErrExists), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
			continue
		}
		return 0, fmt.Errorf("weblogin: counting attempts: %w", err)
	}
	return 0, errors.New("weblogin: counting attempts: the counter never stands still")
}

// tooMany says for how long.
type tooMany struct{ wait time.Duration }

func (*tooMany) Error() string               { return "weblogin: too many wrong passwords" }
func (e *tooMany) RetryAfter() time.Duration { return e.wait }
