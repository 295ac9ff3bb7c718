package authserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// The purposes of what is issued. A credential of one never finds a record of another.
const (
	purposeAccess  = "access"
	purposeRefresh = "refresh"
	purposeCode    = "code"
)

// state is what a record of ours knows beside what every record does. It is kept in [store.Token.Extra], so client_id
// is there for applications to read; the other members are this package's own.
type state struct {
	Client string `json:"client_id"`

	Redirect  string `json:"redirect_uri,omitempty"`   // of a code: where it was sent
	Asked     bool   `json:"redirect_asked,omitempty"` // of a code: the request named that URI
	Challenge string `json:"code_challenge,omitempty"` // of a code: PKCE's, always S256
	Nonce     string `json:"nonce,omitempty"`          // of a code: for the ID token

	Auth time.Time `json:"auth_time,omitzero"` // of a code or family: when this server saw the user's password

	Spent time.Time `json:"spent,omitzero"` // used up, or revoked
	By    string    `json:"by,omitempty"`   // the ID of the pair it was spent for
	Gave  []string  `json:"gave,omitempty"` // of a refresh token: the scopes of that pair's access token

	Key     string `json:"jkt,omitempty"`      // of a token, or of a code: the thumbprint of the key it is bound to
	GaveKey string `json:"gave_jkt,omitempty"` // of a refresh token: that of the pair's access token

	Count int `json:"count,omitempty"` // of an attempts record: failures so far
}

func (s *Server) stateOf(rec *store.Record) (state, error) {
	if c := s.owners[string(rec.Token.Extra)]; c != nil {
		return state{Client: c.ID}, nil
	}
	var st state
	if err := json.Unmarshal(rec.Token.Extra, &st); err != nil {
		return st, errors.New("authserver: a record in the store is not one of ours")
	}
	return st, nil
}

func (st state) raw() json.RawMessage { return encoded(st) }

// pair is what one request was given: an access token and mostly a refresh token, hanging on a family. The family is the
// record of one login: it ends, and with it everything that hangs on it. Tokens hold its Key in Record.Grant, so that
// ending it needs no list of them; none is good for longer than its family.
type pair struct {
	id              string       // of the request that made it
	now             time.Time    // of this request: what is told of its lifetimes counts from here
	family          store.Handle // zero: a client's own token
	access, refresh store.Handle
	idToken         string // "": none
	key             string // the thumbprint of the key that the access token is bound to; "": none
	scopes          []string
	expiry          time.Time
	refreshExpiry   time.Time
}

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

// begin creates a family for who and its first pair, with a refresh token if asked for.
func (s *Server) begin(ctx context.Context, c *client, who login, scopes []string, refresh bool) (*pair, error) {
	now, id := s.now(), rand.Text()
	life := c.d.GrantTTL
	if !refresh {
		life = min(life, c.d.AccessTTL)
	}
	state := c.state
	if c.signs(scopes) {
		state = c.stateSince(who.auth)
	}
	family, err := s.tokens.Put(ctx, store.Key("authserver", "family", id), &store.Record{
		ID: id, Subject: who.subject, Provider: s.issuer, Created: now, Updated: now, Expires: now.Add(life),
		Token: store.Token{Scopes: scopes, Extra: state},
	})
	if err != nil {
		return nil, err
	}
	return s.mint(ctx, c, family, who, scopes, now, refreshing{wanted: refresh, scopes: scopes})
}

// refreshing says which refresh token a new access token comes with.
type refreshing struct {
	wanted     bool
	scopes     []string // which may be more than the access token's
	generation uint64   // in its family
}

// mint creates an access token for who that hangs on family, an ID token if the scopes say so, and a refresh token if one is
// wanted; a nil family: for the client itself.
func (s *Server) mint(
	ctx context.Context, c *client, family *store.Record, who login, scopes []string, now time.Time, next refreshing,
) (*pair, error) {
	p := &pair{id: rand.Text(), now: now, scopes: scopes, expiry: now.Add(c.d.AccessTTL), key: who.key}
	if family != nil {
		p.family = family.Handle
		p.expiry = earlier(p.expiry, family.Expires)
	}
	if err := s.sign(c, p, who); err != nil {
		return nil, err
	}
	rec := &store.Record{
		ID: p.id, Provider: s.issuer, Grant: p.family, Created: now, Updated: now, Expires: p.expiry,
		Token: store.Token{TokenType: c.tokenType(p.key), Scopes: scopes, Expiry: p.expiry, Extra: c.stateBound(p.key)},
	}
	if _, err := s.tokens.Put(ctx, p.access, rec); err != nil || !next.wanted {
		return p, err
	}
	p.refresh = store.NewCredential(purposeRefresh)
	p.refreshExpiry = earlier(now.Add(c.d.RefreshTTL), family.Expires)
	// The same record once more, since the store has kept nothing of it.
	rec.ID, rec.Generation, rec.Expires = rand.Text(), next.generation, p.refreshExpiry
	rec.Token = store.Token{Scopes: next.scopes, Extra: c.state}
	if c.public { // nothing else proves that it is the client's
		rec.Token.Extra = c.stateBound(p.key)
	}
	_, err := s.tokens.Put(ctx, p.refresh, rec)
	return p, err
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// discard removes a pair that nobody was told, and its family if it was begun for it: a loser's, of a race for one
// credential. What cannot be removed expires unused.
func (s *Server) discard(ctx context.Context, p *pair, family bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	handles := []store.Handle{p.access}
	if !p.refresh.IsZero() {
		handles = append(handles, p.refresh)
	}
	if family {
		handles = append(handles, p.family)
	}
	for _, h := range handles {
		_ = s.tokens.Delete(ctx, h, "")
	}
}

// spend marks rec as used for the pair p, by compare-and-set: of any number of requests with one credential exactly one
// gets nil, whatever process it runs in. The others get store.ErrConflict. The mark is not Record.Ended, since an ended
// record may be swept or replaced, and a second use has to be recognised as long as the credential would have lived.
func (s *Server) spend(ctx context.Context, rec *store.Record, st state, p *pair) error {
	st.Spent, st.By = s.now(), p.id
	return s.mark(ctx, rec, st)
}

// mark writes rec, which is the caller's no more, with the state st, in which By is new.
func (s *Server) mark(ctx context.Context, rec *store.Record, st state) error {
	rec.Token.Extra, rec.Updated = st.raw(), s.now()
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
