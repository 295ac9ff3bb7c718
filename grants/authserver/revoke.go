package authserver

import (
	"context"
	"errors"
	"net/http"

	"github.com/tokenkeep/tokenkeep/store"
)

// Revoke returns the revocation endpoint (RFC 7009) for the clients of these dialects, for all clients when none is given.
// A refresh token takes its login's every token with it; an access token goes alone. A token that is not there is a
// success, as the RFC says; another client's is refused.
func (s *Server) Revoke(dialects ...*Dialect) http.Handler {
	m := s.mount(dialects)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := s.admit(w, r, m)
		if err == nil {
			err = s.revoke(r.Context(), req)
		}
		s.log(r.Context(), "revocation request", req, err)
		if err != nil {
			failureOf(err).write(w)
			return
		}
		noStore(w.Header())
		w.WriteHeader(http.StatusOK)
	})
}

func (s *Server) revoke(ctx context.Context, req *request) error {
	text := req.params["token"]
	if text == "" {
		return invalidRequest("token is missing")
	}
	// token_type_hint is only a hint: both kinds are looked for.
	for _, purpose := range []string{purposeRefresh, purposeAccess} {
		err := s.revokeOne(ctx, req.client, store.Credential(purpose, text))
		if !errors.Is(err, store.ErrNotFound) { // nil too
			return err
		}
	}
	return nil
}

func (s *Server) revokeOne(ctx context.Context, c *client, h store.Handle) error {
	for {
		rec, err := s.tokens.Get(ctx, h)
		if err != nil {
			return err
		}
		st, err := s.stateOf(rec)
		switch {
		case err != nil:
			return err
		case st.Client != c.ID:
			return fail(http.StatusBadRequest, "unauthorized_client", "the token belongs to another client")
		case h.Purpose() == purposeRefresh: // a spent one too: its holder means the login
			return s.end(ctx, rec.Grant)
		case !st.Spent.IsZero():
			return nil
		}
		if err := s.spend(ctx, rec, st, &pair{}); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
