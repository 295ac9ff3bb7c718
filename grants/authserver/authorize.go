package authserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// formTTL is how long an authorize page may stay open.
const formTTL = 15 * time.Minute

// maxQuery bounds an authorize request.
const maxQuery = 8 << 10

// asked is a valid authorize request, as the page carries it, sealed, from being shown to its answer.
type asked struct {
	Client    string    `json:"c"`
	Redirect  string    `json:"r"`
	Explicit  bool      `json:"x,omitempty"` // the request named Redirect
	Implicit  bool      `json:"i,omitempty"` // response_type=token
	State     string    `json:"s,omitempty"`
	Scopes    []string  `json:"p,omitempty"`
	Challenge string    `json:"h,omitempty"`
	Nonce     string    `json:"n,omitempty"`
	Key       string    `json:"k,omitempty"` // dpop_jkt
	Subject   string    `json:"u,omitempty"` // with Options.Authenticate: who saw the page
	Until     time.Time `json:"t"`
}

// Authorize returns the authorize endpoint (RFC 6749 section 3.1) for the clients of these dialects, for all clients when
// none is given: GET shows a page on which the user signs in and allows or denies, POST is that page's answer. A fault
// of the client or the redirect URI is told on a page and never redirected (RFC 6749 section 4.1.2.1); all others are.
func (s *Server) Authorize(dialects ...*Dialect) http.Handler {
	m := s.mount(dialects)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pageHeaders(w.Header())
		here, err := m.atPath(r.URL.Path)
		if err != nil {
			s.showFailure(w, failureOf(err))
			return
		}
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			s.ask(w, r, here)
		case http.MethodPost:
			s.decide(w, r, here)
		default:
			w.Header().Set("Allow", "GET, HEAD, POST")
			s.showFailure(w, fail(http.StatusMethodNotAllowed, "invalid_request", "the method must be GET or POST"))
		}
	})
}

// ask shows the page for an authorize request.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, m mount) {
	a, err := s.readAuthorize(r.Context(), r.URL.RawQuery, m)
	if err != nil {
		if a == nil {
			s.showFailure(w, failureOf(err))
		} else {
			s.redirectFailure(w, a, failureOf(err))
		}
		return
	}
	if s.authenticate != nil {
		subject, ok := s.authenticate(w, r)
		if !ok {
			return
		}
		if subject == "" {
			s.showFailure(w, unavailable(errors.New("authserver: Authenticate returned no subject")))
			return
		}
		a.Subject = subject
	}
	a.Until = s.now().Add(formTTL)
	s.showPage(w, http.StatusOK, a, "", "")
}

// readAuthorize reads an authorize request. With an error it returns the request only if the error may be redirected:
// if client and redirect URI are known to belong together.
func (s *Server) readAuthorize(ctx context.Context, query string, m mount) (*asked, error) {
	if len(query) > maxQuery {
		return nil, fail(http.StatusRequestURITooLong, "invalid_request", "the request is too long")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, invalidRequest("the query is malformed")
	}
	p, target := params{}, params{}
	for _, name := range []string{"client_id", "redirect_uri", "request_uri"} {
		if err := target.addQuery(url.Values{name: values[name]}); err != nil {
			return nil, err
		}
		delete(values, name)
	}
	c := s.clients[target.get("client_id")]
	if c == nil || target.get("client_id") == "" || !m.has(c.d) {
		return nil, invalidRequest("client_id is missing or unknown")
	}
	if text, ok := strings.CutPrefix(target.get("request_uri"), requestURN); ok { // all else was said when it was pushed
		return s.pushed(ctx, c, text)
	}
	p = append(p, param{"request_uri", target.get("request_uri")})
	redirect, ok := c.redirectTo(target.get("redirect_uri"))
	if !ok {
		return nil, invalidRequest("redirect_uri is missing or not registered for this client")
	}
	a := &asked{
		Client: c.ID, Redirect: redirect, Explicit: target.get("redirect_uri") != "",
		Implicit: values.Get("response_type") == "token", // errors go to its place, too
	}
	if len(values["state"]) == 1 && new(params).set("state", values.Get("state")) == nil {
		a.State = values.Get("state") // errors carry it too
	}
	if err := p.addQuery(values); err != nil {
		return a, err
	}
	return a, s.checkAuthorize(a, c, p)
}

// checkAuthorize checks what may be answered by a redirect.
func (s *Server) checkAuthorize(a *asked, c *client, p params) error {
	if err := s.unsupported(a, p); err != nil {
		return err
	}
	switch {
	case p.get("response_type") == "":
		return invalidRequest("response_type is missing")
	case p.get("response_type") != "code" && p.get("response_type") != "token":
		return fail(http.StatusBadRequest, "unsupported_response_type", "response_type must be code")
	case !a.Implicit && !c.may(grantCode), a.Implicit && !c.may(grantImplicit):
		return fail(http.StatusBadRequest, "unauthorized_client", "the client may not use this response_type")
	case a.Implicit: // no code, so no PKCE
		var err error
		a.Scopes, err = c.grantable(p.get("scope"))
		return err
	}
	challenge, method := p.get("code_challenge"), p.get("code_challenge_method")
	switch {
	case challenge == "" && method != "":
		return invalidRequest("code_challenge is missing")
	case challenge == "" && c.public:
		return invalidRequest("a public client must use PKCE: code_challenge is missing")
	case challenge != "" && method != "S256": // absent means plain (RFC 7636 section 4.3), which hides nothing
		return invalidRequest("code_challenge_method must be S256")
	case challenge != "" && !isChallenge(challenge):
		return invalidRequest("code_challenge is malformed")
	}
	a.Challenge, a.Nonce, a.Key = challenge, p.get("nonce"), p.get("dpop_jkt")
	var err error
	a.Scopes, err = c.grantable(p.get("scope"))
	return err
}

// unsupported refuses what must not be ignored (OpenID Connect Core sections 3.1.2.6 and 6).
func (s *Server) unsupported(a *asked, p params) error {
	mode := "query"
	if a.Implicit {
		mode = "fragment"
	}
	switch {
	case p.get("request") != "":
		return fail(http.StatusBadRequest, "request_not_supported", "request is not supported")
	case p.get("request_uri") != "":
		return fail(http.StatusBadRequest, "request_uri_not_supported", "request_uri is not supported")
	case p.get("response_mode") != "" && p.get("response_mode") != mode:
		return invalidRequest("response_mode must be " + mode + ", or left out")
	case slices.Contains(strings.Fields(p.get("prompt")), "none"):
		return fail(http.StatusBadRequest, "interaction_required", "the user is asked each time, so prompt cannot be none")
	}
	return nil
}
