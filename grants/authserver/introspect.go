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
	Active                   bool
	Scope, Client, TokenType string
	Expires, Issued          int64
	Subject, Issuer          string

	Audience audience // of a JWT, as is its ID
	ID       string

	Key string // the thumbprint of the key that the token is bound to
}

// encode returns a as JSON.
func (a *introspection) encode() []byte {
	if !a.Active {
		return newObject(0).raw("active", []byte("false")).end()
	}
	o := newObject(len(a.Scope)+len(a.Client)+len(a.Subject)+len(a.Issuer)).raw("active", []byte("true"))
	o = o.text("scope", a.Scope).text("client_id", a.Client).text("token_type", a.TokenType)
	o = o.number("exp", a.Expires).number("iat", a.Issued).text("sub", a.Subject).text("iss", a.Issuer)
	if len(a.Audience) == 1 {
		o = o.text("aud", a.Audience[0])
	} else if len(a.Audience) > 1 {
		list := object("[").quoted(a.Audience[0])
		for _, name := range a.Audience[1:] {
			list = append(list, ',').quoted(name)
		}
		o = o.raw("aud", append(list, ']'))
	}
	o = o.text("jti", a.ID)
	if a.Key != "" {
		o = o.raw("cnf", object("{").text("jkt", a.Key).end())
	}
	return o.end()
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
		writeBody(w, http.StatusOK, a.encode())
	})
}

func (s *Server) introspect(ctx context.Context, req *request) (introspection, error) {
	text := req.params.get("token")
	if text == "" {
		return introspection{}, invalidRequest("token is missing")
	}
	rec, st, purpose, err := s.live(ctx, text, purposeAccess, purposeRefresh)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return introspection{}, nil
	case err != nil:
		return introspection{}, err
	case st.Client != req.client.ID && (!req.client.ResourceServer || purpose != purposeAccess):
		return introspection{}, nil
	}
	c := s.clients[st.Client]
	a := introspection{
		Active: true, Scope: strings.Join(rec.Token.Scopes, " "), Client: st.Client, TokenType: rec.Token.TokenType,
		Expires: rec.Expires.Unix(), Issued: rec.Created.Unix(), Subject: rec.Subject, Issuer: s.issuer,
	}
	if purpose == purposeAccess || c.public {
		a.Key = st.Key
	}
	if strings.Contains(text, ".") { // no opaque token has a dot
		a.Audience, a.ID = c.d.Audience, rec.ID
		if a.Subject == "" {
			a.Subject = st.Client // as the token says
		}
	}
	return a, nil
}
