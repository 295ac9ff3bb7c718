package middleware

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Why a request was refused; what [Guard.Check] returns is one of them by errors.Is, and a resolver or an application
// may return or pass them to [Guard.Deny] itself. What store.ErrNotFound is, is ErrInvalidToken to Deny; what is none
// of them is ErrUnavailable.
var (
	// ErrNoToken: the request carries no bearer token and no session (401, without an error code: RFC 6750 section 3.1).
	ErrNoToken = errors.New("middleware: no token")
	// ErrInvalidRequest: the credentials are malformed, repeated or sent in more than one way (400).
	ErrInvalidRequest = errors.New("middleware: invalid request")
	// ErrInvalidToken: the token or session is unknown, expired, revoked or malformed, or its user is gone (401).
	ErrInvalidToken = errors.New("middleware: invalid token")
	// ErrInsufficientScope: the token is good but lacks a required scope (403).
	ErrInsufficientScope = errors.New("middleware: insufficient scope")
	// ErrForbidden: the user may not do this, or a request with a session came from another origin (403).
	ErrForbidden = errors.New("middleware: forbidden")
	// ErrUnavailable: it could not be found out whether the token is good, or whose it is (503).
	ErrUnavailable = errors.New("middleware: unavailable")
)

// denial is a refusal with all that its answer needs. Its text reaches the client; its cause only the log.
type denial struct {
	kind      error
	status    int
	code      string // as in challenge and body
	text      string // printable, without quotes and backslashes
	scope     string
	over      bool // the credential will never be good again: a cookie that carried it is cleared
	anonymous bool // Optional lets it through: there are no credentials, or a cookie that was cleared
	cause     error
	params    string // code and text as the challenge has them
	body      []byte // and as JSON
}

func (d *denial) Error() string {
	text := d.kind.Error()
	if d.text != "" {
		text += ": " + d.text
	}
	if d.cause != nil {
		text += ": " + d.cause.Error()
	}
	return text
}

func (d *denial) Unwrap() []error {
	if d.cause == nil {
		return []error{d.kind}
	}
	return []error{d.kind, d.cause}
}

func (d denial) because(cause error) *denial {
	d.cause = cause
	return &d
}

// denied completes d. Codes and texts are this file's own and need no escaping.
func denied(d denial) *denial {
	body := "{"
	if d.code != "" {
		d.params += `, error="` + d.code + `"`
		body += `"error":"` + d.code + `"`
	}
	if d.text != "" {
		d.params += `, error_description="` + d.text + `"`
		body += `,"error_description":"` + d.text + `"`
	}
	d.body = []byte(body + "}\n")
	return &d
}

func malformed(text string) *denial {
	return denied(denial{kind: ErrInvalidRequest, status: http.StatusBadRequest, code: "invalid_request", text: text})
}

const (
	notValid   = "the token is not valid"
	lacksScope = "the token lacks a required scope"
)

var (
	denyNoToken      = denied(denial{kind: ErrNoToken, status: http.StatusUnauthorized, anonymous: true})
	denyTwoHeaders   = malformed("more than one Authorization header")
	denyMalformed    = malformed("malformed Authorization header")
	denyTwoWays      = malformed("credentials sent more than once")
	denyBody         = malformed("unreadable form")
	denyInvalidToken = denied(denial{kind: ErrInvalidToken, status: http.StatusUnauthorized, code: "invalid_token", text: notValid, over: true})
	denyExpired      = denied(denial{kind: ErrInvalidToken, status: http.StatusUnauthorized, code: "invalid_token", text: notValid})
	denySession      = denied(denial{kind: ErrInvalidToken, status: http.StatusUnauthorized, code: "invalid_token", text: notValid, anonymous: true})
	denyScope        = denied(denial{kind: ErrInsufficientScope, status: http.StatusForbidden, code: "insufficient_scope", text: lacksScope})
	denyForbidden    = denied(denial{kind: ErrForbidden, status: http.StatusForbidden, code: "access_denied"})
	denyCrossOrigin  = denied(denial{kind: ErrForbidden, status: http.StatusForbidden, code: "access_denied", text: "the request comes from another origin"})
	denyUnavailable  = denied(denial{kind: ErrUnavailable, status: http.StatusServiceUnavailable, code: "temporarily_unavailable"})
)

func denialOf(err error) *denial {
	if d, ok := err.(*denial); ok { //nolint:errorlint // what Check returned, as nearly always
		return d
	}
	var d *denial
	switch {
	case errors.As(err, &d):
		return d
	case errors.Is(err, ErrNoToken):
		return denyNoToken
	case errors.Is(err, ErrInvalidRequest):
		return malformed("")
	case errors.Is(err, ErrInvalidToken), errors.Is(err, store.ErrNotFound):
		return denyInvalidToken
	case errors.Is(err, ErrInsufficientScope):
		return denyScope
	case errors.Is(err, ErrForbidden):
		return denyForbidden
	default:
		return denyUnavailable.because(err)
	}
}

// Deny answers a request that was refused: status, challenge (RFC 6750 section 3) and a JSON body equal to the
// challenge, or whatever Options.Deny makes of it. err comes from [Guard.Check], or is one of the package's errors.
func (g *Guard[U]) Deny(w http.ResponseWriter, r *http.Request, err error) {
	d := denialOf(err)
	h := w.Header()
	values := [...]string{"no-store", g.challenge(d), "application/json", "nosniff"} // in one allocation
	h["Cache-Control"] = values[0:1:1]
	if values[1] != "" {
		h["Www-Authenticate"] = values[1:2:2]
	}
	if d.kind == ErrUnavailable {
		h.Set("Retry-After", strconv.Itoa(retryAfter(err)))
		if r.Context().Err() == nil { // otherwise the client left, and that is the cause
			g.o.Logger.ErrorContext(r.Context(), "middleware: request refused: unavailable", "error", err)
		}
	}
	if g.o.Deny != nil && g.o.Deny(w, r, err) {
		return
	}
	h["Content-Type"] = values[2:3:3]
	h["X-Content-Type-Options"] = values[3:4:4]
	w.WriteHeader(d.status)
	w.Write(d.body) //nolint:errcheck // the client left
}

// challenge returns the WWW-Authenticate value, "" where a challenge would mislead: trying again with another token
// helps neither a forbidden user nor a store that is down.
func (g *Guard[U]) challenge(d *denial) string {
	if d.kind == ErrForbidden || d.kind == ErrUnavailable {
		return ""
	}
	var scope, metadata string
	if d.scope != "" {
		scope = `, scope="` + d.scope + `"`
	}
	if g.metadata.url != "" && d.status != http.StatusBadRequest {
		metadata = `, resource_metadata="` + g.metadata.url + `"`
	}
	return g.bearer + d.params + scope + metadata // bearer is the scheme and the realm
}

// retryAfter is in seconds: what the cause asks for, within an hour, else a short while.
func retryAfter(err error) int {
	var hint interface{ RetryAfter() time.Duration }
	if errors.As(err, &hint) && hint.RetryAfter() > 0 {
		return int((min(hint.RetryAfter(), time.Hour) + time.Second - 1) / time.Second)
	}
	return 2
}
