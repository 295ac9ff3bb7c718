package authserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/tokenkeep/tokenkeep/store"
)

// password answers the resource owner's credentials (RFC 6749 section 4.3).
func (s *Server) password(ctx context.Context, req *request) (*pair, error) {
	username, password := req.params.get("username"), req.params.get("password")
	if username == "" || password == "" {
		return nil, invalidRequest("username or password is missing")
	}
	scopes, err := req.client.grantable(req.params.get("scope"))
	if err != nil {
		return nil, err
	}
	subject, err := s.login(ctx, req.client.ID, username, password)
	if err != nil {
		return nil, err
	}
	who := login{subject: subject, key: req.key}
	if req.client.signs(scopes) {
		who.auth = s.now()
	}
	if !req.client.d.Reissue {
		return s.begin(ctx, req.client, who, scopes, req.client.may(grantRefresh))
	}
	return s.reissue(ctx, req.client, who, scopes)
}

// reissue returns the pair that who has with c, or begins one. An index record under a Key remembers the pair until
// its access token expires; of several requests that find none, the first to write it wins, and all get its pair.
func (s *Server) reissue(ctx context.Context, c *client, who login, scopes []string) (*pair, error) {
	key := indexKey(c, who.subject, scopes)
	for range 10 {
		version, p, err := s.indexed(ctx, key)
		if err != nil {
			return nil, err
		}
		if p != nil {
			return p, s.signID(c, p, who)
		}
		if p, err = s.begin(ctx, c, who, scopes, c.may(grantRefresh)); err != nil {
			return nil, err
		}
		err = s.index(ctx, key, c, version, p)
		if err == nil {
			return p, nil
		}
		if !lost(err) && !errors.Is(err, store.ErrExists) {
			return nil, err
		}
		s.discard(ctx, p)
	}
	return nil, errors.New("authserver: reissue: too many conflicts")
}

// indexed returns the pair at key, nil if it is no good any more, and the version of what stands there.
func (s *Server) indexed(ctx context.Context, key store.Handle) (store.Version, *pair, error) {
	rec, err := s.tokens.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	p := &pair{
		id: rec.ID, now: s.now(), family: rec.Grant, scopes: rec.Token.Scopes,
		access: store.Credential(purposeAccess, rec.Token.AccessToken),
		expiry: rec.Token.Expiry, refreshExpiry: rec.Token.RefreshExpiry,
	}
	handles := []store.Handle{p.access}
	if rec.Token.RefreshToken != "" {
		p.refresh = store.Credential(purposeRefresh, rec.Token.RefreshToken)
		handles = append(handles, p.refresh)
	}
	for _, h := range handles {
		switch _, _, _, err := s.live(ctx, h.Reveal(), h.Purpose()); {
		case errors.Is(err, store.ErrNotFound):
			return rec.Version, nil, nil
		case err != nil:
			return "", nil, err
		}
	}
	if seconds(p.expiry.Sub(p.now)) < 1 {
		return rec.Version, nil, nil // nothing left to tell
	}
	return rec.Version, p, nil
}

func (s *Server) index(ctx context.Context, key store.Handle, c *client, version store.Version, p *pair) error {
	now := s.now()
	_, err := s.tokens.Put(ctx, key, &store.Record{
		ID: p.id, Provider: s.issuer, Grant: p.family, Created: now, Updated: now, Expires: p.expiry, Version: version,
		Token: store.Token{
			AccessToken: p.access.Reveal(), RefreshToken: p.refresh.Reveal(), Scopes: p.scopes,
			Expiry: p.expiry, RefreshExpiry: p.refreshExpiry, Extra: c.state,
		},
	})
	return err
}

// remember puts a refreshed pair where reissue finds it, unless its refresh token is for more than its access token: a login
// that asks for little must not get it. It is a convenience: nothing is lost if it fails.
func (s *Server) remember(ctx context.Context, c *client, family *store.Record, p *pair) {
	if !c.d.Reissue || !sameScopes(p.scopes, family.Token.Scopes) {
		return
	}
	key := indexKey(c, family.Subject, p.scopes)
	for range 3 {
		version, _, err := s.indexed(ctx, key)
		if err != nil || s.index(ctx, key, c, version, p) == nil {
			return
		}
	}
}

func indexKey(c *client, subject string, scopes []string) store.Handle {
	sorted := slices.Sorted(slices.Values(scopes))
	sum := sha256.Sum256([]byte(strings.Join(sorted, " "))) // a key's parts are short
	return store.Key("authserver", "reissue", c.ID, subject, hex.EncodeToString(sum[:]))
}
