package weblogin

import (
	"errors"
	"mime"
	"net/http"
	"net/url"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

const maxForm = 64 << 10

func (l *Login) password(w http.ResponseWriter, r *http.Request) *Failure {
	if r.Method != http.MethodPost {
		return notAllowed(w, http.MethodPost)
	}
	if failure := l.ownPage(r); failure != nil { // nobody else's page must sign anybody in as somebody
		return failure
	}
	form, failure := readForm(w, r, "username", "password", "return_to")
	if failure != nil {
		return failure
	}
	username, password := form.Get("username"), form.Get("password")
	if username == "" || password == "" {
		return &Failure{Status: http.StatusBadRequest, Text: "Please enter both user name and password."}
	}
	counted := l.attempts(r, username)
	if failure := l.reserve(r.Context(), counted); failure != nil {
		return failure
	}
	tok, err := l.client.Password(r.Context(), username, password)
	if !isGuess(err) {
		l.giveBack(r.Context(), counted)
	}
	if err != nil {
		var refused *grants.Error
		if errors.As(err, &refused) && refused.Outcome() == keeper.Dead {
			return &Failure{Status: http.StatusForbidden, Text: "Wrong user name or password.", Err: err}
		}
		return providerFailure(err)
	}
	return l.finish(w, r, tok, form.Get("return_to"))
}

// isGuess says whether the provider looked at the password and did not like it. Providers have codes of their own for
// that, so any refusal is one.
func isGuess(err error) bool {
	var e *grants.Error
	return errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && e.Outcome() != keeper.RetryLater
}

// ownPage refuses requests that another origin's page made.
func (l *Login) ownPage(r *http.Request) *Failure {
	if err := l.site.CheckOrigin(r); err != nil {
		return &Failure{Status: http.StatusForbidden, Text: "This form came from another site.", Err: err}
	}
	return nil
}

// readForm returns the body's form, in which each of the names stands once at most.
func readForm(w http.ResponseWriter, r *http.Request, names ...string) (url.Values, *Failure) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &Failure{Status: http.StatusUnsupportedMediaType, Text: "This is not the sign-in form."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, &Failure{Status: http.StatusBadRequest, Text: "This is not the sign-in form."}
	}
	for _, name := range names {
		if len(r.PostForm[name]) > 1 {
			return nil, &Failure{Status: http.StatusBadRequest, Text: "This is not the sign-in form."}
		}
	}
	return r.PostForm, nil // the body only: what stands in the query is in logs already
}
