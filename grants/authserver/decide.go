package authserver

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// decide takes the page's answer. Only what the page carries sealed counts, so that nobody can have another request
// decided than the one that was shown.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, m mount) {
	p, a, err := s.readDecision(w, r)
	if err != nil {
		s.showFailure(w, failureOf(err))
		return
	}
	c := s.clients[a.Client]
	if c == nil || !m.has(c.d) {
		s.showFailure(w, invalidRequest("client_id is missing or unknown"))
		return
	}
	if _, ok := c.redirectTo(a.Redirect); !ok {
		s.showFailure(w, invalidRequest("redirect_uri is missing or not registered for this client"))
		return
	}
	subject, ok := s.decider(w, r, a)
	if !ok {
		return
	}
	req := &request{params: params{{"grant_type", grantCode}}, client: c}
	if a.Implicit {
		req.params = params{{"grant_type", grantImplicit}}
	}
	var values url.Values
	denied := p.get("decision") != "allow"
	if denied {
		err = fail(http.StatusBadRequest, "access_denied", "the user denied the request")
	} else {
		values, err = s.allow(r.Context(), c, subject, a, p)
	}
	s.log(r.Context(), "authorize page", req, err)
	switch {
	case denied:
		s.redirectFailure(w, a, failureOf(err))
	case err != nil:
		s.showAgain(w, a, p.get("username"), failureOf(err))
	default:
		s.redirect(w, a, values)
	}
}

// allow returns what the client gets when the user allows a: a code, or an access token (RFC 6749 section 4.2.2). An empty
// subject has yet to sign in.
func (s *Server) allow(ctx context.Context, c *client, subject string, a *asked, p params) (url.Values, error) {
	who := login{subject: subject}
	if subject == "" {
		var err error
		if who.subject, err = s.login(ctx, c.ID, p.get("username"), p.get("password")); err != nil {
			return nil, err
		}
		who.auth = s.now()
	}
	if !a.Implicit {
		code, err := s.mintCode(ctx, who.subject, a.Scopes, state{
			Client: a.Client, Redirect: a.Redirect, Asked: a.Explicit, Challenge: a.Challenge, Nonce: a.Nonce, Auth: who.auth,
			Key: a.Key,
		})
		return url.Values{"code": {code.Reveal()}}, err
	}
	given, err := s.begin(ctx, c, who, a.Scopes, false)
	if err != nil {
		return nil, err
	}
	told := c.answer(given)
	return url.Values{
		"access_token": {told.AccessToken}, "token_type": {told.TokenType}, "scope": {told.Scope},
		"expires_in": {strconv.FormatInt(told.ExpiresIn, 10)},
	}, nil
}

// decider returns who is signed in to the application, "" if the page itself asks. With false all is answered.
func (s *Server) decider(w http.ResponseWriter, r *http.Request, a *asked) (string, bool) {
	if s.authenticate == nil {
		return "", true
	}
	subject, ok := s.authenticate(w, r)
	if ok && (subject == "" || subject != a.Subject) {
		s.showFailure(w, fail(http.StatusForbidden, "access_denied", "another user has signed in since this page was shown: start again"))
		return "", false
	}
	return subject, ok
}

// readDecision reads the page's answer and opens what the page carried.
func (s *Server) readDecision(w http.ResponseWriter, r *http.Request) (params, *asked, error) {
	if err := s.sameSite(r); err != nil {
		return nil, nil, err
	}
	p, _, err := mount{&dialect{}}.readBody(w, r, nil)
	if err != nil {
		return nil, nil, err
	}
	var a asked
	if err := s.unseal("authorize", p.get("request"), &a); err != nil {
		return nil, nil, err
	}
	if !s.now().Before(a.Until) {
		return nil, nil, errStale
	}
	return p, &a, nil
}

// sameSite refuses a form that another site sent.
func (s *Server) sameSite(r *http.Request) error {
	// Under this page's referrer policy an older browser sends "Origin: null" for its own forms; then the seal alone has to
	// do: another site can neither make it nor read a page that holds it.
	if r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "null" {
		if err := s.origins.Check(r); err != nil {
			return fail(http.StatusForbidden, "access_denied", "the form was sent by another site")
		}
	}
	return nil
}

// redirect answers a with values, state and iss. 303, so that nothing is posted to the client (RFC 9700 section 4.12).
func (s *Server) redirect(w http.ResponseWriter, a *asked, values url.Values) {
	if a.State != "" {
		values.Set("state", a.State)
	}
	if s.issuer != "" {
		values.Set("iss", s.issuer) // RFC 9207 section 2
	}
	to := withQuery(a.Redirect, values)
	if a.Implicit {
		to = a.Redirect + "#" + values.Encode()
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// redirectFailure tells the client of f (RFC 6749 section 4.1.2.1).
func (s *Server) redirectFailure(w http.ResponseWriter, a *asked, f *failure) {
	s.redirect(w, a, url.Values{"error": {f.code}, "error_description": {f.description}})
}
