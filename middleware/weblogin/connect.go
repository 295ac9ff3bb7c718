package weblogin

import (
	"errors"
	"net/http"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// connect begins a login that adds an account to the user who is signed in. Unlike Start it takes the site's own forms
// only: another site's page that had signed this browser in at the provider as somebody else could otherwise make that
// account a key to this one.
func (l *Login) connect(w http.ResponseWriter, r *http.Request) *Failure {
	if r.Method != http.MethodPost {
		return notAllowed(w, http.MethodPost)
	}
	if failure := l.ownPage(r); failure != nil {
		return failure
	}
	subject, failure := l.signedIn(w, r)
	switch {
	case failure != nil:
		return failure
	case subject == "":
		return &Failure{Status: http.StatusForbidden, Text: "Please sign in first."}
	}
	f := &flow{Connect: true, Who: who(subject)}
	return l.send(w, r, f, func() (*grants.Flow, error) { return l.client.AuthorizationCode(r.Context(), l.o.Flow) })
}

// attach hands the token to subject, whose session stays as it is. identify says where it is kept; a token that is
// kept nowhere has told whose account it is, and is given back.
func (l *Login) attach(w http.ResponseWriter, r *http.Request, tok store.Token, subject, returnTo string) *Failure {
	rec := &store.Record{Provider: l.client.Providers()[0], Token: tok, Subject: subject}
	err := l.identify(r.Context(), rec)
	if err == nil && rec.Subject != subject {
		err = errors.Join(middleware.ErrForbidden, errors.New("weblogin: connecting an account must not change who is signed in"))
	}
	if err != nil {
		l.abandon(r.Context(), tok)
		return identityFailure(err)
	}
	if rec.Grant.IsZero() {
		l.abandon(r.Context(), tok)
	} else {
		grant := &store.Record{Subject: subject, Provider: rec.Provider, Token: rec.Token}
		if _, err := l.session.Keeper.Start(r.Context(), rec.Grant, grant); err != nil {
			return later(err) // the grant may be in use already: nothing is given back
		}
	}
	redirect(w, l.local(returnTo))
	return nil
}
