package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/tokenkeep/tokenkeep/middleware/internal/browser"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// Guard demands a bearer token (RFC 6750) and knows whose it is: U is the application's user type. Make one with
// [New]; the zero Guard is not usable. All methods are safe for concurrent use.
type Guard[U any] struct {
	verifier Verifier
	resolve  func(context.Context, *store.Record) (U, error)
	o        Options
	bearer   string // how every challenge begins
	metadata metadata
	key      *identityKey
	isNil    func(U) bool // nil: no U is
}

// New returns the guard that asks v about credentials and resolve about users. resolve runs once a request, after the
// token was found good and before scopes are compared; it maps a record to the application's user, usually by
// Record.Subject, and answers store.ErrNotFound if there is none (401), [ErrForbidden] if the user may not enter (403),
// and any other error if it could not find out (503). A nil pointer without an error is a fault of resolve's (503).
// rec is for reading: other requests may hold it too. [Self] resolves to the record.
//
// A nil o means the defaults; the error names every setting that is wrong.
func New[U any](v Verifier, resolve func(ctx context.Context, rec *store.Record) (U, error), o *Options) (*Guard[U], error) {
	opts, err := o.withDefaults()
	errs := []error{err}
	if v == nil {
		errs = append(errs, errors.New("middleware: the verifier is nil"))
	}
	if resolve == nil {
		errs = append(errs, errors.New("middleware: the resolver is nil"))
	}
	meta, err := newMetadata(&opts)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	bearer := "Bearer realm=" + quote(opts.Realm)
	return &Guard[U]{
		verifier: v, resolve: resolve, o: opts, bearer: bearer, metadata: meta, key: new(identityKey), isNil: nilCheck[U](),
	}, nil
}

// Require admits requests with a good token or session that was granted all of these scopes (whole, case-sensitive,
// in any order), and answers all others with [Guard.Deny]. It panics if a scope is not one by RFC 6749 section 3.3, as
// that is a fault of the program: no token can have it.
func (g *Guard[U]) Require(scopes ...string) func(http.Handler) http.Handler {
	return g.middleware((*Guard[U]).Check, scopes)
}

// RequireAny is [Guard.Require] for a token that was granted at least one of these scopes. A refusal names the first of
// them: that is the one to ask for, and it is enough. Without scopes it panics, as nothing could satisfy it.
func (g *Guard[U]) RequireAny(scopes ...string) func(http.Handler) http.Handler {
	if len(scopes) == 0 {
		panic("middleware: RequireAny of no scopes") //nolint:forbidigo // a fault of the program
	}
	return g.middleware((*Guard[U]).CheckAny, scopes)
}

// Optional is [Guard.Require] that also admits requests without credentials, and those whose session is over (the
// cookie is cleared): [Guard.User] then says false. A bad token is refused all the same, and so is a good one that
// lacks a scope.
func (g *Guard[U]) Optional(scopes ...string) func(http.Handler) http.Handler {
	return g.middleware((*Guard[U]).CheckOptional, scopes)
}

// Handler is [Guard.Require] for one route, with the user as an argument: there is no request without one, and none is
// copied to carry it. So r's context does not know the user: what is handed that context wants Require.
//
//	mux.Handle("GET /me", guard.Handler(func(w http.ResponseWriter, r *http.Request, user *User) { … }, "profile"))
func (g *Guard[U]) Handler(next func(w http.ResponseWriter, r *http.Request, user U), scopes ...string) http.Handler {
	scopes = checked(scopes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, refused := g.visitor(w, r)
		if refused == nil && !v.granted(scopes) {
			r, refused = g.carry(r, v), lacking(scopes...)
		}
		if refused != nil {
			g.Deny(w, r, refused)
			return
		}
		next(w, r, v.user)
	})
}

type check[U any] func(g *Guard[U], w http.ResponseWriter, r *http.Request, scopes ...string) (*http.Request, error)

func (g *Guard[U]) middleware(check check[U], scopes []string) func(http.Handler) http.Handler {
	scopes = checked(scopes)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r, err := check(g, w, r, scopes...)
			if err != nil {
				g.Deny(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// checked returns a copy of scopes, each of which is one.
func checked(scopes []string) []string {
	for _, s := range scopes {
		if !isScopeToken(s) {
			panic(fmt.Sprintf("middleware: not a scope: %q", s)) //nolint:forbidigo // a fault of the program
		}
	}
	return slices.Clone(scopes)
}

// Check decides about a request, scopes included, and answers nothing: on w it only sets headers (a session's cookie).
// The request it returns carries the user and goes to the handler; it is never nil. The error is one of the package's
// by errors.Is and goes to [Guard.Deny]. Call it before the response's first byte.
func (g *Guard[U]) Check(w http.ResponseWriter, r *http.Request, scopes ...string) (*http.Request, error) {
	v, refused := g.visitor(w, r)
	if refused != nil {
		return r, refused
	}
	r = g.carry(r, v)
	if !v.granted(scopes) {
		return r, lacking(scopes...)
	}
	return r, nil
}

// CheckAny is [Guard.Check] with the rule of [Guard.RequireAny]; of no scopes it refuses every token.
func (g *Guard[U]) CheckAny(w http.ResponseWriter, r *http.Request, scopes ...string) (*http.Request, error) {
	v, refused := g.visitor(w, r)
	if refused != nil {
		return r, refused
	}
	r = g.carry(r, v)
	for _, s := range scopes {
		if slices.Contains(v.rec.Token.Scopes, s) {
			return r, nil
		}
	}
	return r, lacking(scopes[:min(1, len(scopes))]...)
}

// visitor finds out who sends the request, unless an outer mount of this guard has.
func (g *Guard[U]) visitor(w http.ResponseWriter, r *http.Request) (visitor[U], *denial) {
	if id := g.from(r.Context()); id != nil {
		return id.visitor, nil
	}
	return g.authenticate(w, r)
}

// carry returns the request with v in its context.
func (g *Guard[U]) carry(r *http.Request, v visitor[U]) *http.Request {
	if v.carried {
		return r
	}
	return r.WithContext(g.identify(r.Context(), v))
}

// CheckOptional is [Guard.Check] with the rules of [Guard.Optional].
func (g *Guard[U]) CheckOptional(w http.ResponseWriter, r *http.Request, scopes ...string) (*http.Request, error) {
	checked, err := g.Check(w, r, scopes...)
	var d *denial
	if errors.As(err, &d) && d.anonymous {
		return r, nil
	}
	return checked, err
}

func lacking(scopes ...string) *denial {
	d := *denyScope
	if !slices.ContainsFunc(scopes, func(s string) bool { return !isScopeToken(s) }) {
		d.scope = strings.Join(scopes, " ")
	}
	return &d
}

func (g *Guard[U]) authenticate(w http.ResponseWriter, r *http.Request) (visitor[U], *denial) {
	token, refused := g.present(w, r)
	if g.o.Session != nil {
		browser.Vary(w)
		switch {
		case refused == denyNoToken:
			return g.authenticateSession(w, r)
		case refused == nil && g.o.Session.presented(r):
			refused = denyTwoWays
		}
	}
	if refused != nil {
		return visitor[U]{}, refused
	}
	rec, refused := verified(g.verifier.Verify(r.Context(), token))
	if refused != nil {
		return visitor[U]{}, refused
	}
	return g.resolved(r.Context(), rec)
}

func (g *Guard[U]) authenticateSession(w http.ResponseWriter, r *http.Request) (visitor[U], *denial) {
	rec, refused := g.o.Session.verify(w, r)
	if refused != nil {
		return visitor[U]{}, refused
	}
	v, refused := g.resolved(r.Context(), rec)
	if refused != nil && refused.over {
		g.o.Session.forget(w, r)
		refused.anonymous = true
	}
	return v, refused
}

// verified judges what a verifier answered.
func verified(rec *store.Record, err error) (*store.Record, *denial) {
	if err == nil && rec != nil {
		return rec, nil
	}
	return judged(err)
}

func judged(err error) (*store.Record, *denial) {
	switch {
	case err == nil:
		return nil, denyUnavailable.because(errors.New("the verifier returned neither record nor error"))
	case errors.Is(err, store.ErrNotFound), errors.Is(err, keeper.ErrLoginRequired), errors.Is(err, ErrInvalidToken):
		return nil, denyInvalidToken.because(err)
	}
	var updated *keeper.UpdatedError
	var expired *keeper.ExpiredError
	switch {
	case errors.As(err, &updated) && updated.Record != nil:
		return updated.Record, nil // signal mode: refreshed and stored, and good
	case errors.As(err, &expired):
		return nil, denyExpired.because(err) // manual mode: the application refreshes, so the session is not over
	}
	return nil, denyUnavailable.because(err)
}

func (g *Guard[U]) resolved(ctx context.Context, rec *store.Record) (v visitor[U], refused *denial) {
	user, err := g.resolve(ctx, rec)
	switch {
	case err == nil:
	case errors.Is(err, store.ErrNotFound), errors.Is(err, ErrInvalidToken):
		return v, denyInvalidToken.because(err)
	case errors.Is(err, ErrForbidden):
		return v, denyForbidden.because(err)
	default:
		return v, denyUnavailable.because(err)
	}
	if g.isNil != nil && g.isNil(user) {
		return v, denyUnavailable.because(errors.New("the resolver returned neither user nor error"))
	}
	return visitor[U]{user: user, rec: rec}, nil
}

// nilCheck returns what says whether a U is a nil pointer, or a nil of the like; nil for types that have none.
func nilCheck[U any]() func(U) bool {
	switch reflect.TypeFor[U]().Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Func, reflect.Chan:
		return func(user U) bool { return reflect.ValueOf(&user).Elem().IsNil() }
	default:
		return nil
	}
}

// Format prints nothing of the verifier, which may hold secrets.
func (Guard[U]) Format(f fmt.State, _ rune) { fmt.Fprint(f, "middleware.Guard") }
