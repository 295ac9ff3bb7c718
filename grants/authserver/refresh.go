package authserver

import (
	"context"
	"errors"

	"github.com/tokenkeep/tokenkeep/store"
)

// refresh answers a refresh token with a new access token (RFC 6749 section 6).
func (s *Server) refresh(ctx context.Context, req *request) (*pair, error) {
	text := req.params.get("refresh_token")
	if text == "" {
		return nil, invalidRequest("refresh_token is missing")
	}
	for range 10 { // a lost race means that another request has spent it, and the next look tells what is left
		p, err := s.refreshOnce(ctx, req, text)
		if !lost(err) {
			return p, err
		}
	}
	return nil, errors.New("authserver: refresh: too many conflicts")
}

func (s *Server) refreshOnce(ctx context.Context, req *request, text string) (*pair, error) {
	c := req.client
	rec, st, family, err := s.refreshToken(ctx, c, text)
	if err != nil {
		return nil, err
	}
	if c.public && st.Key != "" && st.Key != req.key { // nothing else proves that it is the client's (RFC 9449 section 5)
		return nil, invalidGrant("the refresh token is bound to another key")
	}
	scopes, err := narrowed(req.params.get("scope"), family.Token.Scopes)
	if err != nil {
		return nil, err
	}
	who, err := s.loginOf(c, family)
	if err != nil {
		return nil, err
	}
	who.key = req.key
	if !st.Spent.IsZero() {
		return s.reused(ctx, c, family, who, rec, st, scopes)
	}
	if c.d.Rotation == RotateNever {
		p, err := s.follow(ctx, c, family, who, rec, scopes, false)
		if err != nil {
			return nil, err
		}
		p.refresh, p.refreshExpiry = store.Credential(purposeRefresh, text), rec.Token.RefreshExpiry
		s.remember(ctx, c, family, p)
		return p, nil
	}
	// All is written, and unknown to anybody, before the old token is spent: a failure on the way spends nothing.
	p, err := s.follow(ctx, c, family, who, rec, scopes, true)
	if err != nil {
		return nil, err
	}
	if c.d.Grace > 0 && (c.d.GraceRule == GraceSame || c.d.GraceRule == GraceNewest) {
		keep(rec, &st, p)
	}
	if err := s.spend(ctx, rec, &st, p); err != nil {
		if lost(err) {
			s.discard(ctx, p)
		}
		return nil, err
	}
	if c.d.GraceRule == GracePrevious {
		if err := s.advance(ctx, familyKey(rec), generation(rec)+1); err != nil {
			return nil, err
		}
	}
	s.remember(ctx, c, family, p)
	return p, nil
}

// refreshToken returns the record of a refresh token, spent or not, and its live family, if both are c's.
func (s *Server) refreshToken(ctx context.Context, c *client, text string) (
	rec *store.Record, st state, family *store.Record, err error,
) {
	dead := func() error { return invalidGrant("the refresh token is unknown, expired or revoked") }
	if rec, st, _, err = s.find(ctx, text, purposeRefresh); err == nil {
		family, err = s.familyOf(ctx, rec)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, st, nil, dead()
	case err != nil:
		return nil, st, nil, err
	case st.Client != c.ID || !s.now().Before(rec.Token.RefreshExpiry):
		return nil, st, nil, dead()
	}
	return rec, st, family, nil
}

// lost tells that another request has spent or removed the credential, for certain.
func lost(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound)
}
