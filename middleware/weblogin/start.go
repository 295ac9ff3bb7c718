package weblogin

import (
	"errors"
	"net/http"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
)

func (l *Login) start(w http.ResponseWriter, r *http.Request) *Failure {
	return l.startWith(w, r, func() (*grants.Flow, error) { return l.client.AuthorizationCode(r.Context(), l.o.Flow) })
}

func (l *Login) startImplicit(w http.ResponseWriter, r *http.Request) *Failure {
	return l.startWith(w, r, func() (*grants.Flow, error) { return l.client.Implicit(r.Context(), l.o.Flow) })
}

func (l *Login) startWith(w http.ResponseWriter, r *http.Request, begin func() (*grants.Flow, error)) *Failure {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return notAllowed(w, "GET, POST")
	}
	subject, failure := l.signedIn(w, r)
	if failure != nil {
		return failure
	}
	f := &flow{}
	if subject != "" {
		f.Who = who(subject)
	}
	return l.send(w, r, f, begin)
}

// send begins f at the provider, seals it into its cookie, and sends the browser there.
func (l *Login) send(w http.ResponseWriter, r *http.Request, f *flow, begin func() (*grants.Flow, error)) *Failure {
	var err error
	if f.Flow, err = begin(); err != nil {
		return providerFailure(err)
	}
	f.Began = time.Now()
	if asked := r.URL.Query()["return_to"]; len(asked) == 1 && isLocal(asked[0]) {
		f.ReturnTo = asked[0]
	}
	size, err := l.keep(w, f)
	if err != nil {
		return &Failure{Status: http.StatusInternalServerError, Text: textTryLater, Err: err}
	}
	l.makeRoom(w, r, size)
	redirect(w, f.Flow.URL)
	return nil
}

// signedIn returns the subject of this browser's session, "" if there is none.
func (l *Login) signedIn(w http.ResponseWriter, r *http.Request) (string, *Failure) {
	rec, err := l.session.Verify(w, r)
	switch {
	case err == nil:
		return rec.Subject, nil
	case errors.Is(err, middleware.ErrUnavailable):
		return "", later(err)
	}
	return "", nil
}
