package weblogin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/browser"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// Login holds the handlers of one provider's sign-in. Make one with [New]; the zero Login has none. The handlers may
// serve concurrently.
type Login struct {
	// Start sends the browser to the provider. The query's return_to says where to go afterwards: a path of this site.
	Start http.Handler
	// Callback takes the provider's answer, starts the session and goes on to return_to. GET only.
	Callback http.Handler
	// Password takes a form of username, password and, if wanted, return_to, from the site's own pages only, and starts
	// the session by the password grant (RFC 6749 section 4.3). It is for providers that offer nothing else: RFC 9700
	// section 2.4 forbids it for anything new. POST only. Of one account, ten passwords in ten minutes may be wrong; then
	// the answer is a 429 with Retry-After, whether or not there is such an account.
	Password http.Handler
	// Connect sends the browser of somebody who is signed in to the provider, to add an account there to the user: see
	// "A second provider". It ends in Callback. POST only, from the site's own pages.
	Connect http.Handler
	// StartImplicit and Implicit are Start and Callback for the implicit grant (RFC 6749 section 4.2), for providers that
	// offer nothing else: RFC 9700 section 2.1.2 advises against it. Implicit is a page and what that page posts: GET and
	// POST of the redirect_uri.
	StartImplicit, Implicit http.Handler

	client   *grants.Client
	session  *middleware.Session
	site     *browser.Site
	identify func(context.Context, *store.Record) error
	o        Options
	ownFlows bool // Options.Flows is ours: a memory of this process
}

// Options are a Login's optional settings; nil and the zero value mean the defaults.
type Options struct {
	// Home is where to go when return_to is missing or no path of this site; default "/".
	Home string

	// Flow is what each authorization request asks for beyond what the client says.
	Flow *grants.FlowOptions

	// Flows remembers for ten minutes which logins were used up, so that a copy of a login's cookie is worth nothing
	// either, and how many passwords were wrong. With replicas it should be a store that they share; nil: this process's
	// memory. It must be able to compare and set: no cookie store.
	Flows store.TokenStore

	// ClientAddress says who guesses passwords, such as the address that a trusted proxy reports: a hundred wrong ones in
	// ten minutes are all. Nil, or "": only accounts are counted. What many people share keeps them all out.
	ClientAddress func(*http.Request) string

	// Fail shows a failure in the application's own clothes, and writes its Status. The headers that keep the answer
	// from being stored and from sending a Referer are set already. Nil: a plain page with the text and a link to Home.
	Fail func(w http.ResponseWriter, r *http.Request, f Failure)

	// Logger hears why somebody could not sign in; nil: slog.Default(). No code, state, token or password is logged.
	Logger *slog.Logger
}

// Failure is why somebody could not sign in.
type Failure struct {
	Status int    // to answer with
	Text   string // for the person at the browser; holds nothing that came with a request
	Err    error  // for the program; may be nil
}

// New returns the handlers that sign browsers in at client's provider and start sessions of session. identify says
// whose they are: it sets the record's Subject, the application's user id, from what the token opens up, and Grant if
// the user's sessions share one grant; it may set Expires. A Subject that is set already is the user who is signed in
// and connects an account (see "A second provider"). If the user may not enter it returns an error that is
// middleware.ErrForbidden or store.ErrNotFound (403); any other error means that it could not find out (503). With OpenID
// Connect, a client with Issuer, Keys and the scope openid, it may be nil: users are then the provider's name, a space
// and their sub.
//
// New reports all faults at once, those of client and session included.
func New(client *grants.Client, session *middleware.Session, identify func(ctx context.Context, rec *store.Record) error, o *Options) (*Login, error) {
	l := &Login{client: client, session: session, identify: identify}
	if o != nil {
		l.o = *o
	}
	errs := []error{l.o.complete()}
	fault := func(text string) { errs = append(errs, errors.New("weblogin: "+text)) }
	if client == nil {
		fault("the client is nil")
	} else {
		errs = append(errs, client.Validate())
	}
	if identify == nil {
		l.identify = l.identifyByIDToken
		if client == nil || client.Keys == nil || client.Issuer == "" || !slices.Contains(client.Scopes, "openid") {
			fault("identify is nil, and the client has no Keys, no Issuer or no scope openid to tell users by")
		}
	}
	if session == nil {
		fault("the session is nil")
	} else {
		errs = append(errs, session.Validate())
		if session.Ring == nil {
			fault("the session has no Ring")
		}
		l.site, _ = browser.New(browser.Config{ // session.Validate has reported its faults
			Name: session.Name, Origin: session.Origin, SameSite: session.SameSite, InsecureLoopbackHTTP: session.InsecureLoopbackHTTP,
		})
	}
	if l.o.Flows == nil {
		flows, err := memstore.New(&memstore.Options{MaxRecords: maxRemembered})
		errs = append(errs, err)
		l.o.Flows, l.ownFlows = flows, true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	l.Start, l.Callback, l.Password = l.handler(l.start), l.handler(l.callback), l.handler(l.password)
	l.Connect, l.StartImplicit, l.Implicit = l.handler(l.connect), l.handler(l.startImplicit), l.handler(l.implicit)
	return l, nil
}

// maxRemembered bounds the memory of logins that were used up.
const maxRemembered = 1 << 16

func (o *Options) complete() error {
	var errs []error
	if o.Home == "" {
		o.Home = "/"
	}
	if !isLocal(o.Home) {
		errs = append(errs, fmt.Errorf("weblogin: Options.Home is no path of this site: %q", o.Home))
	}
	if _, ok := o.Flows.(store.Stateless); ok {
		errs = append(errs, errors.New("weblogin: Options.Flows cannot compare and set"))
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return errors.Join(errs...)
}

// identifyByIDToken names a user by provider and sub, which together are one person's for good (OpenID Connect Core
// section 2). Whoever is signed in already stays who they are.
func (l *Login) identifyByIDToken(ctx context.Context, rec *store.Record) error {
	claims, err := l.client.IDToken(ctx, rec.Token)
	if err == nil && rec.Subject == "" {
		rec.Subject = rec.Provider + " " + claims.Subject
	}
	return err
}

// finish starts the session that tok is for, and sends the browser on.
func (l *Login) finish(w http.ResponseWriter, r *http.Request, tok store.Token, returnTo string) *Failure {
	rec := &store.Record{Provider: l.client.Providers()[0], Token: tok}
	if err := l.identify(r.Context(), rec); err != nil {
		l.abandon(r.Context(), tok)
		return identityFailure(err)
	}
	if _, err := l.session.Start(w, r, rec); err != nil {
		if rec.Grant.IsZero() { // a grant of its own may be in use already
			l.abandon(r.Context(), tok)
		}
		return later(err)
	}
	redirect(w, l.local(returnTo))
	return nil
}

// abandon gives back what nobody will use: the user has consented to nothing that is running.
func (l *Login) abandon(ctx context.Context, tok store.Token) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonPatience)
	defer cancel()
	if err := l.client.Revoke(ctx, &store.Record{Provider: l.client.Providers()[0], Token: tok}); err != nil {
		l.o.Logger.WarnContext(ctx, "weblogin: a token that is not used could not be revoked", "error", err)
	}
}

// local returns path, or Home if it leads elsewhere.
func (l *Login) local(path string) string {
	if isLocal(path) {
		return path
	}
	return l.o.Home
}

// Format prints nothing of the client and the session, which hold secrets.
func (Login) Format(f fmt.State, _ rune) { fmt.Fprint(f, "weblogin.Login") }
