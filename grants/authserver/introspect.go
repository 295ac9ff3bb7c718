package authserver

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tokenkeep/tokenkeep/store"
)

// introspection is what a resource server learns about a token (RFC 7662 section 2.2).
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	Client    string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	Issued    int64  `json:"iat,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Issuer    string `json:"iss,omitempty"`

	Audience audience `json:"aud,omitempty"` // of a JWT, as is its ID
	ID       string   `json:"jti,omitempty"`

	Confirmation *confirmation `json:"cnf,omitempty"`
}

// Introspect returns the introspection endpoint (RFC 7662) for the clients of these dialects, for all clients when none is
// given. Clients need a secret to use it, and learn about their own tokens; a [Client.ResourceServer] about all access
// tokens. Whatever else is asked about is not active.
func (s *Server) Introspect(dialects ...*Dialect) http.Handler {
	m := s.mount(dialects)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a introspection
		req, err := s.admit(w, r, m)
		switch {
		case err != nil:
		case req.client.public:
			err = invalidClient(r, "a client without a secret may not introspect")
		default:
			a, err = s.introspect(r.Context(), req)
		}
		s.log(r.Context(), "introspection request", req, err)
		if err != nil {
			failureOf(err).write(w)
			return
		}
		writeJSON(w, http.StatusOK, a)
	})
}

func (s *Server) introspect(ctx context.Context, req *request) (introspection, error) {
	text := req.params["token"]
	if text == "" {
		return introspection{}, invalidRequest("token is missing")
	}
	for _, purpose := range []string{purposeAccess, purposeRefresh} {
		rec, st, err := s.live(ctx, store.Credential(purpose, text))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return introspection{}, err
		}
		if st.Client != req.client.ID && (!req.client.ResourceServer || purpose != purposeAccess) {
			break
		}
		a := introspection{
			Active: true, Scope: strings.Join(rec.Token.Scopes, " "), Client: st.Client, TokenType: rec.Token.TokenType,
			Expires: rec.Expires.Unix(), Issued: rec.Created.Unix(), Subject: rec.Subject, Issuer: s.issuer,
			Confirmation: confirmationOf(st.Key),
		}
		if purpose == purposeAccess && strings.Count(text, ".") == 2 { // no opaque token has a dot
			a.Audience, a.ID = s.clients[st.Client].d.Audience, rec.ID
			if a.Subject == "" {
				a.Subject = st.Client // as the token says
			}
		}
		return a, nil
	}
	return introspection{}, nil
}
