package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// surroundings are what all replicas and stores of the app share.
type surroundings struct {
	cfg                 config
	appURL, providerURL string            // where browsers find them
	secrets             map[string]string // by client
	accounts            []account
	stores              *stores
	events              *hub
	logs                io.Writer
}

// partner is the app that signs people in at the provider: one replica of it, on one store. It is what a service of
// yours looks like.
type partner struct {
	d       *surroundings
	kind    string // of its store
	replica int    // 0: the one that the browser talks to
	brisk   bool   // short leases
	tokens  store.TokenStore
	ways    []*way
	keep    *keeper.Keeper
	session *middleware.Session
	guard   *middleware.Guard[*user]
	look    *middleware.Guard[*store.Record] // the same sessions, looked at without refreshing
	looker  *keeper.Keeper
	http    *http.Transport
	out     http.RoundTripper // http, or what is left of it
	life    mortal            // of a replica in a storm
	handler http.Handler
	logger  *slog.Logger
	page    *template.Template
}

const sessionLife = 14 * 24 * time.Hour

func newPartner(d *surroundings, part role, tokens store.TokenStore, replica int) (_ *partner, err error) {
	p := &partner{d: d, kind: part.kind, brisk: part.brisk, replica: replica, logger: slog.New(slog.NewTextHandler(d.logs, nil)).With("from", "app")}
	p.http = &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}
	p.tokens, p.out = tokens, p.http
	if p.isUnderstudy() {
		p.tokens, p.out = p.life.bound(tokens), p.life.transport(p.http)
	}
	p.ways = p.newWays()
	if p.keep, p.session, p.guard, err = p.protect(p.tokens, p.clients()); err != nil {
		return nil, err
	}
	if err := p.newLogins(); err != nil {
		return nil, err
	}
	// The page shows an expired token as expired: manual mode tells, and calls no provider.
	if p.looker, err = keeper.New(p.tokens, p.clients(), &keeper.Options{Mode: keeper.Manual, Logger: p.logger}); err != nil {
		return nil, err
	}
	p.look, err = middleware.New(p.looker, middleware.Self, &middleware.Options{
		Realm: "app", Session: p.newSession(p.looker), Logger: p.logger,
	})
	if err != nil {
		return nil, err
	}
	p.handler, err = p.routes(d.logs)
	return p, err
}

// protect makes what stands before every route: a keeper of the store, the browser's session, and the guard.
func (p *partner) protect(tokens store.TokenStore, clients grants.Clients) (*keeper.Keeper, *middleware.Session, *middleware.Guard[*user], error) {
	o := p.keeperOptions()
	//show:guard
	// refreshes once, whoever asks
	keep, err := keeper.New(tokens, clients, o)
	if err != nil {
		return nil, nil, nil, err
	}
	session := p.newSession(keep) // the browser's cookie
	guard, err := middleware.New(keep, p.resolve, &middleware.Options{
		Realm: "app", Session: session, Logger: p.logger,
	})
	return keep, session, guard, err
	//end
}

func (p *partner) keeperOptions() *keeper.Options {
	o := &keeper.Options{Logger: p.logger, Transport: p.out, Observer: p.d.events.from(p.replica)}
	if p.brisk {
		o.SendBudget, o.CommitBudget, o.ClockMargin = 3*time.Second, 1500*time.Millisecond, 500*time.Millisecond
	}
	return o
}

// isUnderstudy says whether this is a replica within the process, that a storm may kill.
func (p *partner) isUnderstudy() bool { return p.replica > 0 && !p.d.cfg.isReplica() }

func (p *partner) newSession(keep *keeper.Keeper) *middleware.Session {
	name := "session"
	if p.kind != p.d.cfg.store {
		name += "_" + p.kind
	}
	return &middleware.Session{
		Keeper: keep, Ring: p.d.stores.appRing, Origin: p.d.appURL, Lifetime: sessionLife, Name: name,
		InsecureLoopbackHTTP: true, // yours is https, and leaves this out
	}
}

// resolve fetches the user from the provider, with whatever token the keeper has by now: the client carries it, and
// refreshes once more if the provider calls it invalid before its time.
func (p *partner) resolve(ctx context.Context, rec *store.Record) (*user, error) {
	w := p.way(rec.Provider)
	if w == nil {
		return nil, store.ErrNotFound
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.client.UserInfoURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.keep.Client(rec.Handle, p.d.providerURL).Do(req)
	switch {
	case errors.Is(err, keeper.ErrLoginRequired):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusForbidden:
		return nil, middleware.ErrForbidden
	default: // a 401 too: whether the login is over is for the token endpoint to say, at the next refresh
		return nil, fmt.Errorf("the provider answered %d", resp.StatusCode)
	}
	var u user
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&u); err != nil {
		return nil, errors.New("the provider's answer is not a user")
	}
	return &u, nil
}

// bearer begins a session for a program instead of a browser: what it presents is the record's handle.
func (p *partner) bearer(ctx context.Context, username, password, scope string) (*store.Record, error) {
	client := p.way(defaultWay).client
	tok, err := client.Password(ctx, username, password, strings.Fields(scope)...)
	if err != nil {
		return nil, err
	}
	return p.begin(ctx, client, tok)
}

// begin starts the session of whoever tok belongs to.
func (p *partner) begin(ctx context.Context, client *grants.Client, tok store.Token) (*store.Record, error) {
	var u user
	if err := client.UserInfo(ctx, tok, &u); err != nil {
		return nil, err
	}
	return p.keep.Start(ctx, store.Handle{}, &store.Record{
		Subject: u.ID, Provider: client.Provider, Token: tok, Expires: time.Now().Add(sessionLife),
	})
}

func (p *partner) close(ctx context.Context) error {
	var errs []error
	for _, k := range []*keeper.Keeper{p.keep, p.looker} {
		if k != nil {
			errs = append(errs, k.Close(ctx))
		}
	}
	p.http.CloseIdleConnections()
	return errors.Join(errs...)
}
