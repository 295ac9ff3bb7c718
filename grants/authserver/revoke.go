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
	text := req.params.get("token")
	if text == "" {
		return invalidRequest("token is missing")
	}
	for { // token_type_hint is only a hint: a token tells what it is
		rec, st, purpose, err := s.find(ctx, text, purposeAccess, purposeRefresh)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil
		case err != nil:
			return err
		case st.Client != req.client.ID:
			return fail(http.StatusBadRequest, "unauthorized_client", "the token belongs to another client")
		case purpose == purposeRefresh && s.now().Before(rec.Token.RefreshExpiry): // a spent one too: its holder means the login
			return s.end(ctx, familyKey(rec))
		case purpose == purposeRefresh || !st.Revoked.IsZero(): // expired, though its record is not, or done
			return nil
		}
		st.Revoked = s.now()
		rec.Token.Extra, rec.Updated = st.raw(), st.Revoked
		if _, err = s.tokens.Put(ctx, rec.Handle, rec); !lost(err) { // lost: its refresh token was used just now, or it has ended
			return err
		}
	}
}
