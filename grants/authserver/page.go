package authserver

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
)

// Page is what an authorize page shows: [Options.Page] is executed with one. The page is a form that posts, to its own URL,
// request (the value of Request), decision ("allow" or "deny") and, if SignIn is set, username and password. Its style
// sheets and images come from its own origin, or are inline style elements with the nonce; it has no scripts.
type Page struct {
	Client   string  // the name of who asks
	Host     string  // where the answer goes: shown so that a user can tell
	Scopes   []Scope // what is asked for
	SignIn   bool    // the user has to give username and password
	Username string  // as given before, when that failed
	Problem  string  // what to tell the user about that; "" at first
	Request  string  // sealed, good for 15 minutes
	Nonce    string  // for style elements
}

// Scope is one scope as shown to a user.
type Scope struct {
	Name string // as requested
	Text string // Options.Scopes' text; "" if there is none
}

// pageHeaders keep the page out of frames, caches, referrers and reach of everything external (RFC 9700 section 4.16). There
// is no form-action: browsers apply it to the client's own redirects after the answer, and there is nothing to inject.
func pageHeaders(h http.Header) {
	noStore(h)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// showPage shows the page for a.
func (s *Server) showPage(w http.ResponseWriter, status int, a *asked, username, problem string) {
	sealed, err := s.seal("authorize", a)
	if err != nil {
		s.showFailure(w, unavailable(err))
		return
	}
	c := s.clients[a.Client]
	page := Page{
		Client: c.Name, Host: hostOf(a.Redirect), SignIn: s.authenticate == nil, Username: username, Problem: problem,
		Scopes: s.explained(a.Scopes), Request: sealed, Nonce: rand.Text(),
	}
	s.execute(w, status, s.page, page.Nonce, page)
}

func (s *Server) explained(names []string) []Scope {
	scopes := make([]Scope, len(names))
	for i, name := range names {
		scopes[i] = Scope{Name: name, Text: s.scopes[name]}
		if name == scopeOpenID && scopes[i].Text == "" {
			scopes[i].Text = "know who you are"
		}
	}
	return scopes
}

// seal makes what a page carries from being shown to its answer.
func (s *Server) seal(page string, v any) (string, error) {
	plain, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(s.ring.SealBytes(page, s.issuer, plain)), err
}

var errStale = invalidRequest("this page is out of date: go back to where you came from and start again")

// unseal opens what a page carried; errStale if it is not from that page.
func (s *Server) unseal(page, text string, v any) error {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(sealed) == 0 {
		return errStale
	}
	plain, err := s.ring.OpenBytes(page, s.issuer, sealed)
	if err != nil || json.Unmarshal(plain, v) != nil {
		return errStale
	}
	return nil
}

// showAgain shows the page again after f.
func (s *Server) showAgain(w http.ResponseWriter, a *asked, username string, f *failure) {
	status, problem := told(f)
	s.showPage(w, status, a, username, problem)
}

// told returns what a page tells a user about a failed login.
func told(f *failure) (status int, problem string) {
	switch {
	case f.code == "invalid_grant":
		return http.StatusForbidden, "That user name or password is not right."
	case f.status == http.StatusTooManyRequests:
		return f.status, "Too many wrong passwords for this account. Please try again later."
	default:
		return f.status, "This did not work. Please try again in a moment."
	}
}

// showFailure tells the user what a redirect must not tell the client.
func (s *Server) showFailure(w http.ResponseWriter, f *failure) {
	nonce := rand.Text()
	s.execute(w, f.status, failurePage, nonce, struct{ Code, Description, Nonce string }{f.code, f.description, nonce})
}

func (s *Server) execute(w http.ResponseWriter, status int, page *template.Template, nonce string, data any) {
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		// The error quotes the template, which is the application's.
		s.logger.Error("authorize page", "error", "the page's template failed")
		http.Error(w, "the page could not be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; font-src 'self'; style-src 'self' 'nonce-"+nonce+
		"'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body.Bytes()) //nolint:errcheck // the browser is gone
}
