package authserver

import (
	"context"
	"errors"

	"github.com/tokenkeep/tokenkeep/store"
)

// reused answers a refresh token that was spent: within the grace as its rule says, else as the rotation does.
func (s *Server) reused(
	ctx context.Context, c *client, family *store.Record, who login, rec *store.Record, st state, scopes []string,
) (*pair, error) {
	if s.now().Before(st.Spent.Add(c.d.Grace)) {
		switch c.d.GraceRule {
		case GraceSame:
			if rec.Token.RefreshToken != "" { // it may have been spent when there was no grace
				return s.again(c, who, rec, st, scopes)
			}
		case GraceSibling:
			return s.follow(ctx, c, family, who, rec, scopes, true)
		case GracePrevious:
			if generation(rec)+1 >= family.Generation {
				return s.follow(ctx, c, family, who, rec, scopes, true)
			}
		case GraceNewest:
			if p, err := s.replace(ctx, c, family, who, rec, st, scopes); !errors.Is(err, errUsed) {
				return p, err
			}
		}
	}
	if c.d.Rotation == RotateAndRevoke {
		if err := s.end(ctx, familyKey(rec)); err != nil {
			return nil, err
		}
		return nil, invalidGrant("the refresh token was used before: the login it belongs to has ended")
	}
	return nil, invalidGrant("the refresh token was used before")
}

// keep puts the successor p into the record of the token it follows.
func keep(rec *store.Record, st *state, p *pair) {
	st.Gave, st.GaveKey, st.GaveExpiry, st.GaveRefreshExpiry = p.scopes, p.key, p.expiry, p.refreshExpiry
	rec.Token.AccessToken, rec.Token.RefreshToken = p.access.Reveal(), p.refresh.Reveal()
}

// kept returns the successor that the spent rec holds.
func (s *Server) kept(rec *store.Record, st state) *pair {
	return &pair{
		id: st.By, now: s.now(), family: familyKey(rec), scopes: st.Gave, key: st.GaveKey,
		access:  store.Credential(purposeAccess, rec.Token.AccessToken),
		refresh: store.Credential(purposeRefresh, rec.Token.RefreshToken),
		expiry:  st.GaveExpiry, refreshExpiry: st.GaveRefreshExpiry,
	}
}

// again is [GraceSame].
func (s *Server) again(c *client, who login, rec *store.Record, st state, scopes []string) (*pair, error) {
	if !sameScopes(scopes, st.Gave) {
		return nil, fail(400, "invalid_scope", "the refresh token was used a moment ago for another scope")
	}
	p := s.kept(rec, st)
	if p.key != who.key {
		return nil, invalidGrant("the refresh token was used a moment ago with another key")
	}
	return p, s.signID(c, p, who)
}

// errUsed means that the successor of a token was used itself, so the token has no business any more.
var errUsed = errors.New("authserver: the successor was used")

// replace is [GraceNewest]: the pair that the last use got dies, then this one takes its place in rec. Between the two
// nothing is lost: the next use finds a dead pair, which is as good as a live one to be replaced.
func (s *Server) replace(
	ctx context.Context, c *client, family *store.Record, who login, rec *store.Record, st state, scopes []string,
) (*pair, error) {
	if rec.Token.RefreshToken == "" {
		return nil, errUsed
	}
	if err := s.retire(ctx, st.By); err != nil {
		return nil, err
	}
	p, err := s.follow(ctx, c, family, who, rec, scopes, true)
	if err != nil {
		return nil, err
	}
	keep(rec, &st, p)
	st.By = p.id
	if err := s.mark(ctx, rec, &st, s.now()); err != nil {
		if lost(err) {
			s.discard(ctx, p)
		}
		return nil, err
	}
	return p, nil
}

// retire ends a pair whose refresh token is unused; errUsed when it was used.
func (s *Server) retire(ctx context.Context, id string) error {
	for { // a conflict: its token was used, or it ended, or its access token did
		rec, err := s.tokens.Get(ctx, pairKey(id))
		if errors.Is(err, store.ErrNotFound) { // ended by another use, or expired
			return nil
		}
		if err != nil {
			return err
		}
		switch st, err := s.stateOf(rec); {
		case err != nil:
			return err
		case !st.Spent.IsZero():
			return errUsed
		}
		rec.Ended = s.now()
		rec.Updated = rec.Ended
		if _, err = s.tokens.Put(ctx, rec.Handle, rec); !lost(err) {
			return err
		}
	}
}

// advance tells the family at h that a token of generation has been issued in its turn.
func (s *Server) advance(ctx context.Context, h store.Handle, generation uint64) error {
	for {
		family, err := s.tokens.Get(ctx, h)
		if err == nil {
			if family.Generation >= generation {
				return nil
			}
			family.Generation, family.Updated = generation, s.now()
			_, err = s.tokens.Put(ctx, h, family)
		}
		switch {
		case errors.Is(err, store.ErrConflict):
		case errors.Is(err, store.ErrNotFound):
			return invalidGrant("the refresh token is unknown, expired or revoked")
		default:
			return err
		}
	}
}
