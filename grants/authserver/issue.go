package authserver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// login is who signed in, as told in tokens.
type login struct {
	subject string
	auth    time.Time // zero: not known, since the application has its own login
	nonce   string
	key     string // the thumbprint of the key that tokens are to be bound to; "": none
}

// signs reports whether a token with these scopes tells more of a login than its subject.
func (c *client) signs(scopes []string) bool {
	return len(c.d.Audience) > 0 || slices.Contains(scopes, scopeOpenID)
}

// loginOf returns whose family it is. What it says never has a nonce: that is for the first ID token only.
func (s *Server) loginOf(c *client, family *store.Record) (login, error) {
	if !c.signs(family.Token.Scopes) {
		return login{subject: family.Subject}, nil
	}
	st, err := s.stateOf(family)
	return login{subject: family.Subject, auth: st.Auth}, err
}

// begin creates the first pair of a login, which is its family, with a refresh token if asked for.
func (s *Server) begin(ctx context.Context, c *client, who login, scopes []string, refresh bool) (*pair, error) {
	p := newPair(who, scopes, s.now())
	p.family = p.at
	life := c.d.GrantTTL
	if !refresh {
		life = min(life, c.d.AccessTTL)
	}
	if !c.signs(scopes) {
		who.auth = time.Time{}
	}
	rec := &store.Record{Subject: who.subject, Expires: p.now.Add(life), Token: store.Token{Extra: c.stateWith(who.auth, p.key)}}
	return p, s.write(ctx, c, p, who, rec, rec.Expires, refresh)
}

// follow creates a pair that hangs on family as the one in rec does. A refresh token is for all that the login is for, even if the access token is not
// (RFC 6749 section 6).
func (s *Server) follow(
	ctx context.Context, c *client, family *store.Record, who login, rec *store.Record, scopes []string, refresh bool,
) (*pair, error) {
	p := newPair(who, scopes, s.now())
	p.family = familyKey(rec)
	next := &store.Record{Grant: p.family, Generation: generation(rec) + 1, Token: store.Token{Extra: c.stateWith(time.Time{}, p.key)}}
	return p, s.write(ctx, c, p, who, next, family.Expires, refresh)
}

// own creates an access token for the client itself: no user, no family, no refresh token.
func (s *Server) own(ctx context.Context, c *client, scopes []string, key string) (*pair, error) {
	who := login{subject: c.ID, key: key}
	p := newPair(who, scopes, s.now())
	rec := &store.Record{Token: store.Token{Extra: c.stateWith(time.Time{}, key)}}
	return p, s.write(ctx, c, p, who, rec, time.Time{}, false)
}

// spend marks rec as used for the pair p, by compare-and-set: of any number of requests with one credential exactly one
// gets nil, whatever process it runs in. The others get store.ErrConflict. The mark is not Record.Ended, since an ended
// record may be swept or replaced, and a second use has to be recognised as long as the credential would have lived.
func (s *Server) spend(ctx context.Context, rec *store.Record, st *state, p *pair) error {
	st.Spent, st.By = s.now(), p.id
	return s.mark(ctx, rec, st, st.Spent)
}

// mark writes rec, which is the caller's no more, with the state st, in which By is new.
func (s *Server) mark(ctx context.Context, rec *store.Record, st *state, now time.Time) error {
	rec.Token.Extra, rec.Updated = st.raw(), now
	_, err := s.tokens.Put(ctx, rec.Handle, rec)
	if err == nil || lost(err) {
		return err
	}
	// The write may have happened. If it did, the client must get what it paid for.
	if again, readErr := s.tokens.Get(ctx, rec.Handle); readErr == nil {
		if found, stateErr := s.stateOf(again); stateErr == nil && found.By == st.By {
			return nil
		}
	}
	return err
}

// end ends the family behind h, and so everything that hangs on it.
func (s *Server) end(ctx context.Context, h store.Handle) error {
	for range 10 {
		rec, err := s.tokens.Get(ctx, h)
		switch {
		case errors.Is(err, store.ErrNotFound): // ended ones too
			return nil
		case err != nil:
			return err
		}
		rec.Ended = s.now()
		rec.Updated = rec.Ended
		rec.Token.AccessToken, rec.Token.RefreshToken = "", "" // nobody gets a successor any more
		_, err = s.tokens.Put(ctx, h, rec)
		switch {
		case errors.Is(err, store.ErrConflict): // somebody ends it too
		case errors.Is(err, store.ErrNotFound):
			return nil
		default:
			return err
		}
	}
	return errors.New("authserver: ending a login: too many conflicts")
}
