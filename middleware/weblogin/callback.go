package weblogin

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

const maxQuery = 16 << 10

func (l *Login) callback(w http.ResponseWriter, r *http.Request) *Failure {
	if r.Method != http.MethodGet {
		return notAllowed(w, http.MethodGet) // HEAD included: a link checker must not use a login up
	}
	query, err := parseCallback(r.URL.RawQuery)
	if err != nil {
		return stray(err)
	}
	state := query.Get("state")
	f, ok := l.find(r, state)
	switch {
	case state == "" || !ok:
		return stray(errors.New("weblogin: no login of this browser has this state"))
	case f.over(time.Now()):
		l.site.Expire(w, l.flowCookie(state))
		return stray(errors.New("weblogin: the login took more than ten minutes"))
	case f.Used:
		return l.replay(w, r, f)
	}
	if f.Who != "" { // refused before it is used up: the one who began it may come back
		subject, failure := l.signedIn(w, r)
		if failure != nil {
			return failure
		}
		if subject != "" && who(subject) != f.Who {
			return stray(errors.New("weblogin: another user has signed in since the login began"))
		}
	}
	first, err := l.remember(r, state)
	if err != nil {
		return &Failure{Status: http.StatusServiceUnavailable, Text: textTryLater, Err: err}
	}
	if err := l.use(w, f); err != nil {
		return &Failure{Status: http.StatusInternalServerError, Text: textTryLater, Err: err}
	}
	if !first {
		return l.replay(w, r, f)
	}
	tok, err := l.client.Exchange(r.Context(), f.Flow, query)
	if err != nil {
		return providerFailure(err)
	}
	return l.finish(w, r, tok, f.ReturnTo)
}

// parseCallback refuses what no provider sends: a parameter that is there twice (RFC 6749 section 3.1) may be read
// differently by the next one who looks.
func parseCallback(raw string) (url.Values, error) {
	if len(raw) > maxQuery {
		return nil, errors.New("weblogin: the callback's query is too long")
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errors.New("weblogin: the callback's query is malformed")
	}
	for _, values := range query {
		if len(values) > 1 {
			return nil, errors.New("weblogin: the callback repeats a parameter")
		}
	}
	return query, nil
}

// replay answers a callback that was used up, such as a reload: with a session there is nothing left to do.
func (l *Login) replay(w http.ResponseWriter, r *http.Request, f *flow) *Failure {
	subject, failure := l.signedIn(w, r)
	if failure != nil {
		return failure
	}
	if subject == "" {
		return stray(errors.New("weblogin: the callback was used before"))
	}
	redirect(w, r, l.local(f.ReturnTo))
	return nil
}
