package authserver

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
)

// Verify returns the record of an access token of this server, so that a guard can use the Server as its verifier: Subject
// is who it was issued for, "" for a client's own token; Token holds the granted Scopes and the Expiry, but not the token;
// Token.Extra names the client as client_id. The error is store.ErrNotFound when there is no such token, or it is expired
// or revoked, or its login was ended, or its client is no more, or it is bound to a key ([Client].DPoP); every other error
// means that the store could not tell.
func (s *Server) Verify(ctx context.Context, credential string) (*store.Record, error) {
	rec, st, _, err := s.live(ctx, credential, purposeAccess)
	if err == nil && st.Key != "" {
		return nil, store.ErrNotFound // whoever presents it as a bearer token need not have the key
	}
	return rec, err
}

// EndSubject ends every login of subject, with all that was issued for it, and its unused codes: after a change of
// password, or when the account is closed. It needs a store that is a [store.Lister]; with others the error wraps
// errors.ErrUnsupported.
func (s *Server) EndSubject(ctx context.Context, subject string) error {
	lister, ok := s.tokens.(store.Lister)
	if !ok {
		return fmt.Errorf("authserver: ending a subject's logins: %T cannot list: %w", s.tokens, errors.ErrUnsupported)
	}
	// A code may become a login between being listed and being ended: the second pass finds that login, and no code.
	for range 2 {
		found, err := s.endListed(ctx, lister, subject)
		if err != nil || !found {
			return err
		}
	}
	return nil
}

// endListed ends what is listed of subject, and tells if there was anything.
func (s *Server) endListed(ctx context.Context, lister store.Lister, subject string) (found bool, err error) {
	for cursor := ""; ; {
		recs, next, err := lister.List(ctx, subject, cursor, 100)
		if err != nil {
			return false, err
		}
		for _, rec := range recs {
			// The store may hold the subject's records of others too, who have no business with this.
			if st, err := s.stateOf(rec); err != nil || rec.Provider != s.issuer || s.clients[st.Client] == nil {
				continue
			}
			found = true
			if err := s.end(ctx, rec.Handle); err != nil {
				return false, err
			}
		}
		if cursor = next; cursor == "" {
			return found, nil
		}
	}
}
