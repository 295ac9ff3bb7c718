package authserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	c := s.clients[target["client_id"]]
	if c == nil || target["client_id"] == "" || !m.has(c.d) {
		return nil, invalidRequest("client_id is missing or unknown")
	}
	if text, ok := strings.CutPrefix(target["request_uri"], requestURN); ok { // all else was said when it was pushed
		return s.pushed(ctx, c, text)
	}
	p["request_uri"] = target["request_uri"]
	redirect, ok := c.redirectTo(target["redirect_uri"])
	if !ok {
		return nil, invalidRequest("redirect_uri is missing or not registered for this client")
	}
	a := &asked{
		Client: c.ID, Redirect: redirect, Explicit: target["redirect_uri"] != "",
		Implicit: values.Get("response_type") == "token", // errors go to its place, too
	}
	if len(values["state"]) == 1 && (params{}).set("state", values.Get("state")) == nil {
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
	case p["response_type"] == "":
		return invalidRequest("response_type is missing")
	case p["response_type"] != "code" && p["response_type"] != "token":
		return fail(http.StatusBadRequest, "unsupported_response_type", "response_type must be code")
	case !a.Implicit && !c.may(grantCode), a.Implicit && !c.may(grantImplicit):
		return fail(http.StatusBadRequest, "unauthorized_client", "the client may not use this response_type")
	case a.Implicit: // no code, so no PKCE
		var err error
		a.Scopes, err = c.grantable(p["scope"])
		return err
	}
	challenge, method := p["code_challenge"], p["code_challenge_method"]
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
	a.Challenge, a.Nonce, a.Key = challenge, p["nonce"], p["dpop_jkt"]
	var err error
	a.Scopes, err = c.grantable(p["scope"])
	return err
}

// unsupported refuses what must not be ignored (OpenID Connect Core sections 3.1.2.6 and 6).
func (s *Server) unsupported(a *asked, p params) error {
	mode := "query"
	if a.Implicit {
		mode = "fragment"
	}
	switch {
	case p["request"] != "":
		return fail(http.StatusBadRequest, "request_not_supported", "request is not supported")
	case p["request_uri"] != "":
		return fail(http.StatusBadRequest, "request_uri_not_supported", "request_uri is not supported")
	case p["response_mode"] != "" && p["response_mode"] != mode:
		return invalidRequest("response_mode must be " + mode + ", or left out")
	case slices.Contains(strings.Fields(p["prompt"]), "none"):
		return fail(http.StatusBadRequest, "interaction_required", "the user is asked each time, so prompt cannot be none")
	}
	return nil
}

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
	req := &request{params: params{"grant_type": grantCode}, client: c}
	if a.Implicit {
		req.params["grant_type"] = grantImplicit
	}
	var values url.Values
	denied := p["decision"] != "allow"
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
		s.showAgain(w, a, p["username"], failureOf(err))
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
		if who.subject, err = s.login(ctx, c.ID, p["username"], p["password"]); err != nil {
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
	p, _, err := mount{&dialect{}}.readBody(w, r)
	if err != nil {
		return nil, nil, err
	}
	var a asked
	if err := s.unseal("authorize", p["request"], &a); err != nil {
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
