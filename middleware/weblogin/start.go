package weblogin

import (
	"errors"
	"net/http"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
)

func (l *Login) start(w http.ResponseWriter, r *http.Request) *Failure {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return notAllowed(w, "GET, POST")
	}
	subject, failure := l.signedIn(w, r)
	if failure != nil {
		return failure
	}
	begun, err := l.client.AuthorizationCode(r.Context(), l.o.Flow)
	if err != nil {
		return providerFailure(err)
	}
	f := &flow{Flow: begun, Began: time.Now()}
	if asked := r.URL.Query()["return_to"]; len(asked) == 1 && isLocal(asked[0]) {
		f.ReturnTo = asked[0]
	}
	if subject != "" {
		f.Who = who(subject)
	}
	size, err := l.keep(w, f)
	if err != nil {
		return &Failure{Status: http.StatusInternalServerError, Text: textTryLater, Err: err}
	}
	l.makeRoom(w, r, size)
	redirect(w, r, begun.URL)
	return nil
}

// signedIn returns the subject of this browser's session, "" if there is none.
func (l *Login) signedIn(w http.ResponseWriter, r *http.Request) (string, *Failure) {
	rec, err := l.session.Verify(w, r)
	switch {
	case err == nil:
		return rec.Subject, nil
	case errors.Is(err, middleware.ErrUnavailable):
		return "", &Failure{Status: http.StatusServiceUnavailable, Text: textTryLater, Err: err}
	}
	return "", nil
}
