package weblogin

import (
	"errors"
	"html"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/browser"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

const (
	textStray    = "This sign-in cannot be completed: it was begun elsewhere, took too long, or was used before. Please start again."
	textRefused  = "Signing in was cancelled or refused. You can start again."
	textProvider = "The sign-in service did not answer as expected. Please start again."
	textTooMany  = "Too many wrong passwords. Please try again later."
	textTryLater = "Signing in is not possible right now. Please try again in a moment."
)

// handler gives every answer the headers that a login needs, and shows failures.
func (l *Login) handler(serve func(http.ResponseWriter, *http.Request) *Failure) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		browser.NoStore(w)
		w.Header().Set("Referrer-Policy", "no-referrer") // the URL holds code and state (RFC 9700 section 4.2)
		if f := serve(w, r); f != nil {
			l.fail(w, r, *f)
		}
	})
}

func (l *Login) fail(w http.ResponseWriter, r *http.Request, f Failure) {
	h := w.Header()
	if f.Status >= 500 {
		if r.Context().Err() == nil {
			l.o.Logger.ErrorContext(r.Context(), "weblogin: nobody can sign in", "status", f.Status, "error", f.Err)
		}
	} else if f.Err != nil {
		l.o.Logger.InfoContext(r.Context(), "weblogin: sign-in refused", "status", f.Status, "error", f.Err)
	}
	if f.Status == http.StatusServiceUnavailable || f.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", strconv.Itoa(retryAfter(f.Err)))
	}
	if l.o.Fail != nil {
		l.o.Fail(w, r, f)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	w.WriteHeader(f.Status)
	io.WriteString(w, pageHead+"<p>"+html.EscapeString(f.Text)+ //nolint:errcheck // the client left
		"</p>\n<p><a href=\""+html.EscapeString(l.o.Home)+"\">Continue</a></p>\n")
}

const pageHead = "<!doctype html>\n<html lang=\"en\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>Sign in</title>\n"

// redirect is 303 always: the next request is a GET without what this one carried (RFC 9700 section 4.12).
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func notAllowed(w http.ResponseWriter, allow string) *Failure {
	w.Header().Set("Allow", allow)
	return &Failure{Status: http.StatusMethodNotAllowed, Text: "This address takes other requests."}
}

// stray is a callback that belongs to no login of this browser.
func stray(err error) *Failure {
	return &Failure{Status: http.StatusBadRequest, Text: textStray, Err: err}
}

// later is what no provider is to blame for.
func later(err error) *Failure {
	return &Failure{Status: http.StatusServiceUnavailable, Text: textTryLater, Err: err}
}

// providerFailure tells a callback that is wrong, a refusal, and a provider that is out of order apart.
func providerFailure(err error) *Failure {
	var e *grants.Error
	switch {
	case errors.Is(err, grants.ErrCallback), errors.Is(err, grants.ErrIDToken):
		return stray(err)
	case !errors.As(err, &e):
		return &Failure{Status: http.StatusBadGateway, Text: textProvider, Err: err}
	case e.Code == grants.AccessDenied, e.Outcome() == keeper.Dead:
		return &Failure{Status: http.StatusBadRequest, Text: textRefused, Err: err}
	case e.Outcome() == keeper.RetryLater:
		return &Failure{Status: http.StatusServiceUnavailable, Text: textTryLater, Err: err}
	case e.Status == 0 && e.Code != "": // an error that the browser brought
		return &Failure{Status: http.StatusBadRequest, Text: textRefused, Err: err}
	}
	return &Failure{Status: http.StatusBadGateway, Text: textProvider, Err: err}
}

// identityFailure says what identify's error means.
func identityFailure(err error) *Failure {
	var e *grants.Error
	switch {
	case errors.Is(err, middleware.ErrForbidden), errors.Is(err, store.ErrNotFound):
		return &Failure{Status: http.StatusForbidden, Text: "You may not sign in here.", Err: err}
	case errors.As(err, &e):
		return providerFailure(err)
	}
	return later(err)
}

func retryAfter(err error) int {
	var hint interface{ RetryAfter() time.Duration }
	if errors.As(err, &hint) && hint.RetryAfter() > 0 {
		return int((min(hint.RetryAfter(), time.Hour) + time.Second - 1) / time.Second)
	}
	return 2
}
