package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// pair is what one request was given: an access token and mostly a refresh token. One record holds both, so that one write
// issues them. Both name its ID, which is no secret; what makes them believed is their hashes, which it keeps.
//
// The record of a login's first pair is the login's family: it ends, and with it everything that hangs on it. The pairs that
// follow hold its Key in Record.Grant, so that ending it needs no list of them; none is good for longer than its family.
type pair struct {
	id              string       // its record's
	at              store.Handle // its record's Key
	now             time.Time    // of this request: what is told of its lifetimes counts from here
	family          store.Handle // zero: a client's own token
	access, refresh store.Handle
	idToken         string // "": none
	key             string // the thumbprint of the key that the access token is bound to; "": none
	scopes          []string
	expiry          time.Time
	refreshExpiry   time.Time
	secrets         [2 * 32]byte // of opaque tokens: the access token's, the refresh token's
	sums            [2 * sha256.Size]byte
}

// The kinds of tokens. One is never taken for the other: the kind is part of what is hashed.
const (
	purposeAccess  = "access"
	purposeRefresh = "refresh"
)

// An opaque token is the ID of its pair and 256 random bits.
const (
	idSize     = 26 // 130 random bits, five in a letter: what rand.Text makes
	secretSize = 43 // of 32 bytes in base64
)

// newPair begins a pair; all that is random of it is read at once.
func newPair(who login, scopes []string, now time.Time) *pair {
	p := &pair{now: now, scopes: scopes, key: who.key}
	var all [idSize + 2*32]byte
	rand.Read(all[:])
	for i, b := range all[:idSize] {
		all[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[b%32]
	}
	p.id = string(all[:idSize])
	p.at = pairKey(p.id)
	copy(p.secrets[:], all[idSize:])
	return p
}

func (p *pair) opaque(purpose string) store.Handle {
	secret := p.secrets[:32]
	if purpose == purposeRefresh {
		secret = p.secrets[32:]
	}
	var room [idSize + secretSize]byte
	return store.Credential(purpose, string(base64.RawURLEncoding.AppendEncode(append(room[:0], p.id...), secret)))
}

// idOf returns the ID that a token names, "" if it is none of ours: an opaque one's beginning, a JWT's jti.
func idOf(token string) string {
	id := ""
	switch {
	case strings.Contains(token, "."): // no opaque token has a dot
		id = unverified(token).ID
	case len(token) == idSize+secretSize:
		id = token[:idSize]
	}
	if len(id) != idSize {
		return ""
	}
	return id
}

func pairKey(id string) store.Handle { return store.Key("authserver", "pair", id) }

// hashes returns what p's record keeps of its tokens: the access token's hash and, if there is one, the refresh token's. They
// stand in Token.IDToken, which is free: Record.Refresh is the keeper's, who may share the store and sweeps it.
func (p *pair) hashes() string {
	sums := p.sums[:0]
	sum := p.access.Sum()
	sums = append(sums, sum[:]...)
	if !p.refresh.IsZero() {
		sum = p.refresh.Sum()
		sums = append(sums, sum[:]...)
	}
	return string(sums)
}

// isOf reports whether a token is the one of this purpose in a record with these hashes.
func isOf(hashes, purpose, token string) bool {
	sum := store.Credential(purpose, token).Sum()
	if purpose == purposeRefresh {
		hashes = hashes[min(sha256.Size, len(hashes)):]
	}
	return len(hashes) >= sha256.Size && subtle.ConstantTimeCompare(sum[:], []byte(hashes[:sha256.Size])) == 1
}

// find returns the record and state of the pair that a token is one of, if it is of one of these purposes, and of which.
// store.ErrNotFound: there is none, or it has ended. Whether the token itself is expired, spent or revoked is for the caller to
// see.
func (s *Server) find(ctx context.Context, token string, purposes ...string) (rec *store.Record, st state, purpose string, err error) {
	id := idOf(token)
	if id == "" {
		return nil, state{}, "", store.ErrNotFound
	}
	if rec, err = s.tokens.Get(ctx, pairKey(id)); err != nil {
		return nil, state{}, "", err
	}
	for _, purpose := range purposes {
		if isOf(rec.Token.IDToken, purpose, token) {
			st, err = s.stateOf(rec)
			return rec, st, purpose, err
		}
	}
	return nil, state{}, "", store.ErrNotFound
}

// familyOf returns the live family that the pair in rec hangs on, to be read only: rec itself, if it is a login's first.
func (s *Server) familyOf(ctx context.Context, rec *store.Record) (*store.Record, error) {
	if rec.Grant.IsZero() {
		return rec, nil
	}
	if s.viewer != nil {
		if family, _ := s.viewer.View(ctx, rec.Grant); family != nil {
			return family, nil
		}
	}
	return s.tokens.Get(ctx, rec.Grant)
}

// familyKey is where familyOf looks.
func familyKey(rec *store.Record) store.Handle {
	if rec.Grant.IsZero() {
		return rec.Handle
	}
	return rec.Grant
}

// generation returns how many pairs came before the one in rec, in its family. A family's own record counts for all of it.
func generation(rec *store.Record) uint64 {
	if rec.Grant.IsZero() {
		return 0
	}
	return rec.Generation
}

// live returns the record of an unspent, unexpired token as others may see it: with what belongs to this token, and the subject
// of its login.
func (s *Server) live(ctx context.Context, token string, purposes ...string) (*store.Record, state, string, error) {
	rec, st, purpose, err := s.find(ctx, token, purposes...)
	if err != nil {
		return nil, st, "", err
	}
	family, err := s.familyOf(ctx, rec)
	if err != nil {
		return nil, st, "", err
	}
	c := s.clients[st.Client]
	t := store.Token{TokenType: rec.Token.TokenType, Scopes: rec.Token.Scopes, Expiry: rec.Token.Expiry, Extra: rec.Token.Extra}
	ended := st.Revoked
	if purpose == purposeRefresh {
		t.TokenType, t.Scopes, t.Expiry, ended = "", family.Token.Scopes, rec.Token.RefreshExpiry, st.Spent
	}
	if c == nil || !ended.IsZero() || !s.now().Before(t.Expiry) {
		return nil, st, "", store.ErrNotFound
	}
	if string(t.Extra) != string(c.state) {
		t.Extra = state{Client: st.Client, Key: st.Key}.raw()
	}
	rec.Subject, rec.Token, rec.Expires = family.Subject, t, t.Expiry
	rec.Handle = store.Credential(purpose, token)
	return rec, st, purpose, nil
}

// write puts p into rec, which says what the pair hangs on, and stores it. until is when its login ends, zero: never.
func (s *Server) write(ctx context.Context, c *client, p *pair, who login, rec *store.Record, until time.Time, refresh bool) error {
	p.expiry = earlier(p.now.Add(c.d.AccessTTL), until)
	if err := s.sign(c, p, who); err != nil {
		return err
	}
	if refresh {
		p.refresh = p.opaque(purposeRefresh)
		p.refreshExpiry = earlier(p.now.Add(c.d.RefreshTTL), until)
	}
	rec.ID, rec.Provider, rec.Created, rec.Updated, rec.Token.IDToken = p.id, s.issuer, p.now, p.now, p.hashes()
	rec.Token.TokenType, rec.Token.Scopes = c.tokenType(p.key), p.scopes
	rec.Token.Expiry, rec.Token.RefreshExpiry = p.expiry, p.refreshExpiry
	if rec.Expires.IsZero() {
		rec.Expires = p.expiry
		if p.refreshExpiry.After(p.expiry) {
			rec.Expires = p.refreshExpiry
		}
	}
	_, err := s.tokens.Put(ctx, p.at, rec)
	return err
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// discard removes a pair that nobody was told: a loser's, of a race for one credential. What cannot be removed expires unused.
func (s *Server) discard(ctx context.Context, p *pair) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = s.tokens.Delete(ctx, p.at, "")
}
