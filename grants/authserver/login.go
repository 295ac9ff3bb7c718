package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// attemptsWindow is how long failures count, from the first on.
const attemptsWindow = 15 * time.Minute

// login asks the application who these credentials are, and limits how often they may be wrong. Failures are counted
// after the fact, so requests that run at the same time each get their try: the bound is the limit plus those.
func (s *Server) login(ctx context.Context, c *client, username, password string) (subject string, err error) {
	if s.users == nil {
		return "", errors.New("authserver: no Users")
	}
	if username == "" || password == "" {
		return "", invalidGrant("username or password is missing")
	}
	key := attemptsKey(c, username)
	counter, st, err := s.attempts(ctx, key)
	if err != nil {
		return "", err
	}
	if st.Count >= s.maxAttempts {
		f := fail(http.StatusTooManyRequests, "temporarily_unavailable", "too many wrong passwords for this account: try again later")
		f.retryAfter = counter.Expires.Sub(s.now())
		return "", f
	}
	subject, err = s.users(ctx, username, password)
	switch {
	case errors.Is(err, store.ErrNotFound) || (err == nil && subject == ""):
		if err := s.countFailure(ctx, key); err != nil {
			return "", err
		}
		return "", invalidGrant("wrong username or password")
	case err != nil:
		// The application's error is not logged here: nobody knows what it quotes.
		return "", errors.New("authserver: the Users callback failed")
	}
	if counter != nil {
		_ = s.tokens.Delete(ctx, key, "")
	}
	return subject, nil
}

// attempts returns the failures counted at key; a nil record when there are none.
func (s *Server) attempts(ctx context.Context, key store.Handle) (*store.Record, state, error) {
	rec, err := s.tokens.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, state{}, nil
	case err != nil:
		return nil, state{}, err
	}
	st, err := stateOf(rec)
	if now := s.now(); rec.Expired(now) { // by our clock; the store's may be another
		st.Count, rec.Expires = 0, now.Add(attemptsWindow)
	}
	return rec, st, err
}

func (s *Server) countFailure(ctx context.Context, key store.Handle) error {
	for { // until ctx is over: each conflict means that somebody else has counted
		rec, st, err := s.attempts(ctx, key)
		if err != nil {
			return err
		}
		now := s.now()
		if rec == nil {
			rec = &store.Record{ID: rand.Text(), Provider: s.issuer, Created: now, Expires: now.Add(attemptsWindow)}
		}
		st.Count++
		rec.Updated, rec.Token.Extra = now, st.raw()
		_, err = s.tokens.Put(ctx, key, rec)
		if !lost(err) && !errors.Is(err, store.ErrExists) { // nil too
			return err
		}
	}
}
