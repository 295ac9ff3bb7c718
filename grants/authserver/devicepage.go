package authserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// connecting is what the device page carries, sealed, from one step to the next.
type connecting struct {
	Subject string    `json:"u"`
	Auth    time.Time `json:"a,omitzero"`
	Code    string    `json:"c,omitempty"` // the user code, as shown; "": yet to be typed
	Device  string    `json:"d,omitempty"` // the hash of the device code
	Until   time.Time `json:"t"`           // formTTL after Subject signed in
}

// devicePage is what the template shows.
type devicePage struct {
	Code, Username, Problem, Request, Nonce string
	SignIn                                  bool
	Client                                  string // set: the code was right, and the user has to decide
	Scopes                                  []Scope
	Done                                    string // set: the decision
}

// DevicePage returns the page on which a user connects a device (RFC 8628 section 3.3): it asks for the code that the
// device shows and, unless [Options.Authenticate] is set, for username and password; then whether to allow. Only who is
// signed in gets to try codes, and [Options.MaxAttempts] wrong ones at most.
func (s *Server) DevicePage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pageHeaders(w.Header())
		switch {
		case r.Method == http.MethodPost:
			s.connect(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD, POST")
			s.showFailure(w, fail(http.StatusMethodNotAllowed, "invalid_request", "the method must be GET or POST"))
		case len(r.URL.RawQuery) > maxQuery:
			s.showFailure(w, fail(http.StatusRequestURITooLong, "invalid_request", "the request is too long"))
		default:
			if _, ok := s.signedIn(w, r); ok {
				s.showDevice(w, http.StatusOK, devicePage{Code: showCode(r.URL.Query().Get("user_code"))}, connecting{})
			}
		}
	})
}

// showCode is a user code as it is shown, "" for what is none.
func showCode(typed string) string {
	code := readUserCode(typed)
	if code == "" {
		return ""
	}
	return code[:4] + "-" + code[4:]
}

// signedIn returns who is signed in to the application, "" if this page has to ask. With false all is answered.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request) (subject string, ok bool) {
	if s.authenticate == nil {
		return "", true
	}
	subject, ok = s.authenticate(w, r)
	if ok && subject == "" {
		s.showFailure(w, unavailable(errors.New("authserver: Authenticate returned no subject")))
		return "", false
	}
	return subject, ok
}

// connect takes the page's answers: first the code, with username and password if need be, then the decision.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	p, at, err := s.readConnecting(w, r)
	if err != nil {
		s.showFailure(w, failureOf(err))
		return
	}
	subject, ok := s.signedIn(w, r)
	switch {
	case !ok:
		return
	case at.Subject == "":
		at = connecting{Subject: subject}
	case s.authenticate != nil && subject != at.Subject:
		s.showFailure(w, fail(http.StatusForbidden, "access_denied", "another user has signed in since this page was shown: start again"))
		return
	}
	if at.Device != "" {
		s.decideDevice(w, r, p.get("decision"), at)
		return
	}
	page := devicePage{Code: showCode(p.get("user_code")), Username: p.get("username")}
	if at.Subject == "" {
		if at.Subject, err = s.login(r.Context(), "device page", p.get("username"), p.get("password")); err != nil {
			s.logDevice(r.Context(), nil, err)
			status, problem := told(failureOf(err))
			page.Problem = problem
			s.showDevice(w, status, page, connecting{})
			return
		}
		at.Auth = s.now()
	}
	c, scopes, err := s.findDevice(r.Context(), p.get("user_code"), &at)
	if err != nil {
		f := failureOf(err)
		s.logDevice(r.Context(), c, err)
		page.Problem = "This did not work. Please try again in a moment."
		if f.cause == nil {
			page.Problem = f.description
		}
		s.showDevice(w, f.status, page, at)
		return
	}
	s.showDevice(w, http.StatusOK, devicePage{Client: c.Name, Scopes: s.explained(scopes), Code: at.Code}, at)
}

// readConnecting reads an answer and what the page carried; the zero connecting for the first one.
func (s *Server) readConnecting(w http.ResponseWriter, r *http.Request) (params, connecting, error) {
	var at connecting
	if err := s.sameSite(r); err != nil {
		return nil, at, err
	}
	p, _, err := mount{&dialect{}}.readBody(w, r, nil)
	if err != nil || p.get("request") == "" {
		return p, at, err
	}
	if err := s.unseal("device page", p.get("request"), &at); err != nil {
		return nil, at, err
	}
	if !s.now().Before(at.Until) {
		return nil, at, errStale
	}
	return p, at, nil
}

// findDevice looks for the device that shows the code typed by at.Subject, and notes it in at.
func (s *Server) findDevice(ctx context.Context, typed string, at *connecting) (*client, []string, error) {
	key := attemptsKey("user codes", at.Subject)
	turn, err := s.turns.take(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	defer turn.give()
	if _, err := s.attemptsLeft(ctx, key, "Too many wrong codes. Please try again later."); err != nil {
		return nil, nil, err
	}
	wrong := func() error {
		if err := s.countFailure(ctx, key); err != nil {
			return err
		}
		return fail(http.StatusBadRequest, "invalid_request", "That code is not right, or it has expired.")
	}
	code := readUserCode(typed)
	if code == "" {
		return nil, nil, wrong()
	}
	rec, err := s.tokens.Get(ctx, store.Credential(purposeUserCode, code))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, wrong()
	}
	if err != nil {
		return nil, nil, err
	}
	d, err := deviceOf(rec)
	if err != nil {
		return nil, nil, err
	}
	rec, _, err = s.undecided(ctx, d.Code)
	c := s.clients[d.Client]
	switch {
	case errors.Is(err, store.ErrNotFound) || (err == nil && c == nil):
		return nil, nil, wrong()
	case err != nil:
		return nil, nil, err
	}
	at.Code, at.Device = showCode(code), d.Code
	return c, rec.Token.Scopes, nil
}

// undecided returns the record of a device code that waits for its user; store.ErrNotFound when it does not.
func (s *Server) undecided(ctx context.Context, sum string) (*store.Record, device, error) {
	rec, err := s.tokens.Get(ctx, store.Hashed(decodeSum(sum)))
	if err != nil {
		return nil, device{}, err
	}
	d, err := deviceOf(rec)
	if err == nil && (d.Decision != "" || !s.now().Before(d.Until)) {
		err = store.ErrNotFound
	}
	return rec, d, err
}

// decideDevice writes the user's decision where the device finds it.
func (s *Server) decideDevice(w http.ResponseWriter, r *http.Request, decision string, at connecting) {
	if decision != "allow" {
		decision = "deny"
	}
	d, err := s.writeDecision(r.Context(), decision, at)
	s.logDevice(r.Context(), s.clients[d.Client], err)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.showFailure(w, invalidRequest("the code has expired or was used: start again on the device"))
	case err != nil:
		s.showFailure(w, failureOf(err))
	default:
		s.showDevice(w, http.StatusOK, devicePage{Done: decision}, at)
	}
}

func (s *Server) writeDecision(ctx context.Context, decision string, at connecting) (device, error) {
	for range 10 { // a conflict: the device has polled meanwhile
		rec, d, err := s.undecided(ctx, at.Device)
		if err != nil {
			return d, err
		}
		d.Decision, d.Auth = decision, at.Auth
		rec.Subject, rec.Updated, rec.Token.Extra = at.Subject, s.now(), d.raw()
		if _, err = s.tokens.Put(ctx, rec.Handle, rec); !errors.Is(err, store.ErrConflict) {
			return d, err
		}
	}
	return device{}, errors.New("authserver: device page: too many conflicts")
}

func (s *Server) logDevice(ctx context.Context, c *client, err error) {
	if errors.Is(err, store.ErrNotFound) {
		err = invalidRequest("the code has expired or was used")
	}
	s.log(ctx, "device page", &request{params: params{{"grant_type", grantDevice}}, client: c}, err)
}

// showDevice shows the page, which carries at if somebody is signed in on it.
func (s *Server) showDevice(w http.ResponseWriter, status int, page devicePage, at connecting) {
	page.SignIn = s.authenticate == nil && at.Subject == ""
	if at.Subject != "" {
		if at.Until.IsZero() { // just signed in: using the page does not prolong that
			at.Until = s.now().Add(formTTL)
		}
		var err error
		if page.Request, err = s.seal("device page", at); err != nil {
			s.showFailure(w, unavailable(err))
			return
		}
	}
	page.Nonce = rand.Text()
	s.execute(w, status, deviceTemplate, page.Nonce, page)
}

func encodeSum(sum [32]byte) string { return base64.RawURLEncoding.EncodeToString(sum[:]) }

// decodeSum returns the zero hash, which nothing has, for what is none.
func decodeSum(text string) (sum [32]byte) {
	if b, err := base64.RawURLEncoding.DecodeString(text); err == nil && len(b) == len(sum) {
		copy(sum[:], b)
	}
	return sum
}
