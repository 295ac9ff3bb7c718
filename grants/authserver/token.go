package authserver

import (
	"context"
	"net/http"
)

// Token returns the token endpoint (RFC 6749 section 3.2) for the clients of these dialects, for all clients when none is
// given; each client speaks its own. So that a caller who forgets a path's last slash, or adds one, hears about it, mount
// the handler on both forms of the path.
func (s *Server) Token(dialects ...*Dialect) http.Handler {
	m := s.mount(dialects)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a answer
		req, err := s.admit(w, r, m)
		if err == nil {
			err = s.bind(w, r, req)
		}
		if err == nil {
			a, err = s.grant(r.Context(), req)
		}
		s.log(r.Context(), "token request", req, err)
		if err != nil {
			failureOf(err).write(w)
			return
		}
		writeBody(w, http.StatusOK, a.encode())
	})
}

func (s *Server) grant(ctx context.Context, req *request) (answer, error) {
	var grant func(context.Context, *request) (*pair, error)
	grantType := req.params.get("grant_type")
	switch grantType {
	case "":
		return answer{}, invalidRequest("grant_type is missing")
	case grantPassword:
		grant = s.password
	case grantCode:
		grant = s.redeem
	case grantRefresh:
		grant = s.refresh
	case grantDevice:
		grant = s.deviceToken
	case grantCredentials:
		grant = s.clientCredentials
	default:
		return answer{}, fail(http.StatusBadRequest, "unsupported_grant_type", "no such grant_type here")
	}
	if !req.client.may(grantType) {
		return answer{}, fail(http.StatusBadRequest, "unauthorized_client", "the client may not use this grant_type")
	}
	p, err := grant(ctx, req)
	if err != nil {
		return answer{}, err
	}
	a := req.client.answer(p)
	if grantType == grantRefresh && req.client.d.OmitRefresh {
		a.RefreshToken, a.RefreshExpiresIn = "", 0
	}
	return a, nil
}

// clientCredentials issues a token for the client itself (RFC 6749 section 4.4): no user, no family, no refresh token.
func (s *Server) clientCredentials(ctx context.Context, req *request) (*pair, error) {
	scopes, err := req.client.grantable(req.params.get("scope"))
	if err != nil {
		return nil, err
	}
	return s.own(ctx, req.client, scopes, req.key)
}
