package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tokenkeep/tokenkeep/store"
)

// attemptsWindow is how long failures count, from the first on.
const attemptsWindow = 15 * time.Minute

// attemptsKey counts failures of one account at one place: a client, or the device page. Spelling an account in another
// case gets no more attempts.
func attemptsKey(place, account string) store.Handle {
	var room [128]byte
	plain := room[:0]
	for _, r := range strings.TrimSpace(account) {
		plain = utf8.AppendRune(plain, folded(r))
	}
	if len(plain) > 128 { // a key's parts are short
		sum := sha256.Sum256(plain)
		return store.Key("authserver", "attempts", place, "hash", string(sum[:]))
	}
	return store.Key("authserver", "attempts", place, string(plain))
}

// folded is one for all letters that are equal without regard to case: three of them are a K.
func folded(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}

// login asks the application who these credentials are, and limits how often they may be wrong at this place. Attempts for
// one account take turns in a process; beyond the limit each further process on the store can have one more.
func (s *Server) login(ctx context.Context, place, username, password string) (subject string, err error) {
	if s.users == nil {
		return "", errors.New("authserver: no Users")
	}
	if username == "" || password == "" {
		return "", invalidGrant("username or password is missing")
	}
	key := attemptsKey(place, username)
	turn, err := s.turns.take(ctx, key)
	if err != nil {
		return "", err
	}
	defer turn.give()
	counter, err := s.attemptsLeft(ctx, key, "too many wrong passwords for this account: try again later")
	if err != nil {
		return "", err
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

// attemptsLeft returns the counter at key, nil if nothing was counted, and refuses when all attempts are used up.
func (s *Server) attemptsLeft(ctx context.Context, key store.Handle, refusal string) (*store.Record, error) {
	counter, st, err := s.attempts(ctx, key)
	if err != nil {
		return nil, err
	}
	if st.Count >= s.maxAttempts {
		f := fail(http.StatusTooManyRequests, "temporarily_unavailable", refusal)
		f.retryAfter = counter.Expires.Sub(s.now())
		return nil, f
	}
	return counter, nil
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
	st, err := s.stateOf(rec)
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
