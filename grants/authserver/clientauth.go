package authserver

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// request is a token, revocation or introspection request.
type request struct {
	params
	client *client
	key    string   // the thumbprint of the key that the client has proved to have; "": none
	room   [6]param // for params, mostly
}

// admit reads a request and authenticates its client (RFC 6749 sections 2.3 and 3.2). With an error the request is for the
// log only: it holds what could be read, and the client that it says it is from.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, m mount) (*request, error) {
	req := &request{}
	here, err := m.atPath(r.URL.Path)
	if err != nil {
		return req, err
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return req, fail(http.StatusMethodNotAllowed, "invalid_request", "the method must be POST")
	}
	var spoken mount
	if req.params, spoken, err = here.readBody(w, r, req.room[:0]); err != nil {
		return req, err
	}
	if req.client, err = s.clientOf(r.Context(), r.Header["Authorization"], req.params); err != nil {
		return req, err
	}
	switch {
	case !here.has(req.client.d):
		err = invalidClient(r, "the client is not registered at this endpoint")
	case !spoken.has(req.client.d):
		err = invalidRequest("the client is registered for the other Content-Type, form or JSON")
	}
	return req, err
}

func invalidClient(r *http.Request, description string) *failure {
	return refused(len(r.Header.Values("Authorization")) > 0, description)
}

// refused is invalid_client: 401 with a challenge for a client that used the header, else 400 (RFC 6749 section 5.2).
func refused(header bool, description string) *failure {
	f := fail(http.StatusBadRequest, "invalid_client", description)
	if header {
		f.status, f.challenge = http.StatusUnauthorized, true
	}
	return f
}

// clientOf returns the client that the request says it is from, if there is one, and why that is not to be believed.
func (s *Server) clientOf(ctx context.Context, headers []string, p params) (*client, error) {
	if p.get("client_assertion") != "" || p.get("client_assertion_type") != "" {
		return s.byAssertion(ctx, len(headers) > 0, p)
	}
	if len(headers) > 1 {
		return nil, invalidRequest("more than one Authorization header")
	}
	if len(headers) == 1 {
		return s.byHeader(headers[0], p)
	}
	c := s.clients[p.get("client_id")]
	secret := p.get("client_secret")
	switch {
	case c == nil:
		s.nobody.secretIs(secret) // as long as for a client that exists
		return nil, refused(false, "client authentication failed")
	case c.public && secret == "":
		return c, nil
	case secret == "" || !c.secretIs(secret): // nor has a client without a secret this one
		return c, refused(false, "client authentication failed")
	case !c.d.allows(authPost):
		return c, refused(false, "the client must authenticate in the Authorization header")
	}
	return c, nil
}

// byHeader authenticates by Basic credentials. Clients are split between encoding the two parts as forms, as RFC 6749
// section 2.3.1 says, and sending them raw, as RFC 7617 does: the encoded reading counts first, then the raw one.
func (s *Server) byHeader(header string, p params) (*client, error) {
	scheme, text, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil, refused(true, "the Authorization header does not use Basic")
	}
	var room [256]byte
	plain, err := base64.StdEncoding.AppendDecode(room[:0], []byte(strings.TrimLeft(text, " ")))
	id, secret, ok := strings.Cut(string(plain), ":")
	if err != nil || !ok {
		return nil, refused(true, "the Basic credentials are malformed")
	}
	c, ok := s.formEncoded(id, secret)
	if !ok {
		if raw, rawOK := s.match(id, secret); rawOK || c == nil {
			c, ok = raw, rawOK
		}
	}
	switch {
	case !ok:
		return c, refused(true, "client authentication failed")
	case p.get("client_secret") != "":
		return c, invalidRequest("client credentials in the header and in the body")
	case p.get("client_id") != "" && p.get("client_id") != c.ID:
		return c, invalidRequest("client_id differs from the Authorization header")
	case !c.public && !c.d.allows(authBasic):
		return c, refused(true, "the client must authenticate in the body")
	}
	return c, nil
}

func (s *Server) formEncoded(id, secret string) (*client, bool) {
	id, err := url.QueryUnescape(id)
	if err != nil {
		return nil, false
	}
	if secret, err = url.QueryUnescape(secret); err != nil {
		return nil, false
	}
	return s.match(id, secret)
}

// match returns the client of this ID, nil if there is none, and whether the secret is its own; a public client's is empty.
func (s *Server) match(id, secret string) (*client, bool) {
	c := s.clients[id]
	if c == nil {
		s.nobody.secretIs(secret) // as long as for a client that exists
		return nil, false
	}
	return c, c.secretIs(secret) && c.Keys == nil
}
