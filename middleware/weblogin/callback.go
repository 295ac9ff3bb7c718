package weblogin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

const maxAnswer = 16 << 10 // bytes of what a provider sends through the browser

func (l *Login) callback(w http.ResponseWriter, r *http.Request) *Failure {
	if r.Method != http.MethodGet {
		return notAllowed(w, http.MethodGet) // HEAD included: a link checker must not use a login up
	}
	query, err := parseAnswer(r.URL.RawQuery)
	if err != nil {
		return stray(err)
	}
	return l.answered(w, r, query, l.client.Exchange)
}

// answered takes the provider's answer to a login of this browser, once. trade checks it and makes a token of it.
func (l *Login) answered(w http.ResponseWriter, r *http.Request, answer url.Values, trade trader) *Failure {
	state := answer.Get("state")
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
	subject, failure := l.mayFinish(w, r, f)
	if failure != nil {
		return failure
	}
	first, err := l.remember(r, state)
	if err != nil {
		return later(err)
	}
	if err := l.use(w, f); err != nil {
		return &Failure{Status: http.StatusInternalServerError, Text: textTryLater, Err: err}
	}
	if !first {
		return l.replay(w, r, f)
	}
	tok, err := trade(r.Context(), f.Flow, answer)
	if err != nil {
		if tok.RefreshToken != "" { // of a login whose ID token is not in order
			l.abandon(r.Context(), tok)
		}
		return providerFailure(err)
	}
	if f.Connect {
		return l.attach(w, r, tok, subject, f.ReturnTo)
	}
	return l.finish(w, r, tok, f.ReturnTo)
}

// mayFinish returns who is signed in now, if that matters to f. It refuses before the login is used up: the one who
// began it may come back.
func (l *Login) mayFinish(w http.ResponseWriter, r *http.Request, f *flow) (subject string, _ *Failure) {
	if f.Who == "" {
		return "", nil
	}
	subject, failure := l.signedIn(w, r)
	switch {
	case failure != nil:
		return "", failure
	case subject == "" && f.Connect:
		return "", stray(errors.New("weblogin: nobody is signed in any more"))
	case subject != "" && who(subject) != f.Who:
		return "", stray(errors.New("weblogin: another user has signed in since the login began"))
	}
	return subject, nil
}

// trader is Client.Exchange or Client.ImplicitToken.
type trader = func(context.Context, *grants.Flow, url.Values) (store.Token, error)

// parseAnswer refuses what no provider sends: a parameter that is there twice (RFC 6749 section 3.1) may be read
// differently by the next one who looks.
func parseAnswer(raw string) (url.Values, error) {
	if len(raw) > maxAnswer {
		return nil, errors.New("weblogin: the provider's answer is too long")
	}
	answer, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errors.New("weblogin: the provider's answer is malformed")
	}
	for _, values := range answer {
		if len(values) > 1 {
			return nil, errors.New("weblogin: the provider's answer repeats a parameter")
		}
	}
	return answer, nil
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
	redirect(w, l.local(f.ReturnTo))
	return nil
}
