package authserver

import (
	"context"
	"errors"

	"github.com/tokenkeep/tokenkeep/store"
)

// refresh answers a refresh token with a new access token (RFC 6749 section 6).
func (s *Server) refresh(ctx context.Context, req *request) (*pair, error) {
	text := req.params["refresh_token"]
	if text == "" {
		return nil, invalidRequest("refresh_token is missing")
	}
	h := store.Credential(purposeRefresh, text)
	p, err := s.refreshOnce(ctx, req, h)
	if errors.Is(err, store.ErrConflict) { // lost a race; the winner has spent it
		p, err = s.refreshOnce(ctx, req, h)
	}
	return p, err
}

func (s *Server) refreshOnce(ctx context.Context, req *request, h store.Handle) (*pair, error) {
	c := req.client
	rec, st, family, err := s.refreshToken(ctx, c, h)
	if err != nil {
		return nil, err
	}
	scopes, err := narrowed(req.params["scope"], rec.Token.Scopes)
	if err != nil {
		return nil, err
	}
	if !st.Spent.IsZero() {
		return s.reused(ctx, c, rec, st, scopes)
	}
	p, err := s.mint(ctx, c, family, scopes, s.now())
	if err != nil {
		return nil, err
	}
	if c.d.Rotation == RotateNever {
		p.refresh, p.refreshExpiry = h, rec.Expires
		s.remember(ctx, c, family.Subject, p)
		return p, nil
	}
	// The new refresh token is for all that the old one was for, even if this access token is not (RFC 6749 section 6).
	if err := s.mintRefresh(ctx, c, family, p, rec.Token.Scopes); err != nil {
		return nil, err
	}
	// All is written, and unknown to anybody, before the old token is spent: a failure on the way spends nothing.
	if c.d.Grace > 0 {
		st.Gave = scopes
		rec.Token.AccessToken, rec.Token.RefreshToken = p.access.Reveal(), p.refresh.Reveal()
		rec.Token.Expiry, rec.Token.RefreshExpiry = p.expiry, p.refreshExpiry
	}
	if err := s.spend(ctx, rec, st, p); err != nil {
		if lost(err) {
			s.discard(ctx, p, false)
		}
		return nil, err
	}
	s.remember(ctx, c, family.Subject, p)
	return p, nil
}

// refreshToken returns the record behind h, spent or not, and its live family, if both are c's.
func (s *Server) refreshToken(ctx context.Context, c *client, h store.Handle) (
	rec *store.Record, st state, family *store.Record, err error,
) {
	dead := invalidGrant("the refresh token is unknown, expired or revoked")
	if rec, err = s.tokens.Get(ctx, h); err == nil {
		if st, err = stateOf(rec); err == nil {
			family, err = s.family(ctx, rec.Grant)
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, st, nil, dead
	case err != nil:
		return nil, st, nil, err
	case st.Client != c.ID || rec.Expired(s.now()):
		return nil, st, nil, dead
	}
	return rec, st, family, nil
}

// reused answers a refresh token that was spent: within the grace with what the first use got, else as the rotation says.
func (s *Server) reused(ctx context.Context, c *client, rec *store.Record, st state, scopes []string) (*pair, error) {
	now := s.now()
	if now.Before(st.Spent.Add(c.d.Grace)) && rec.Token.RefreshToken != "" {
		if !sameScopes(scopes, st.Gave) {
			return nil, fail(400, "invalid_scope", "the refresh token was used a moment ago for another scope")
		}
		return &pair{
			id: st.By, now: now, family: rec.Grant, scopes: st.Gave,
			access:  store.Credential(purposeAccess, rec.Token.AccessToken),
			refresh: store.Credential(purposeRefresh, rec.Token.RefreshToken),
			expiry:  rec.Token.Expiry, refreshExpiry: rec.Token.RefreshExpiry,
		}, nil
	}
	if c.d.Rotation == RotateAndRevoke {
		if err := s.end(ctx, rec.Grant); err != nil {
			return nil, err
		}
		return nil, invalidGrant("the refresh token was used before: the login it belongs to has ended")
	}
	return nil, invalidGrant("the refresh token was used before")
}

// lost tells that another request has spent or removed the credential, for certain.
func lost(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound)
}
