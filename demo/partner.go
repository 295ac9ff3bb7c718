package main

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
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// partner is the app that signs people in at the provider. It is what a service of yours looks like.
type partner struct {
	d       *demo
	client  *grants.Client
	keep    *keeper.Keeper
	session *middleware.Session
	guard   *middleware.Guard[*user]
	web     *weblogin.Login
	look    *middleware.Guard[*store.Record] // the same sessions, looked at without refreshing
	looker  *keeper.Keeper
	http    *http.Transport
	handler http.Handler
	logger  *slog.Logger
	page    *template.Template
}

const sessionLife = 14 * 24 * time.Hour

func newPartner(d *demo, logs io.Writer) (*partner, error) {
	p := &partner{d: d, logger: slog.New(slog.NewTextHandler(logs, nil)).With("from", "app")}
	p.http = &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}
	p.client = &grants.Client{
		Provider: "ulule", Issuer: d.provider.url,
		AuthorizeURL: d.provider.url + "/oauth2/authorize/", TokenURL: d.provider.url + "/oauth2/token/",
		RevokeURL: d.provider.url + "/oauth2/revoke/", UserInfoURL: d.provider.url + "/v1/me",
		ID: "partner", Secret: d.clientSecret("partner"), Auth: grants.ClientSecretBasicRaw,
		RedirectURI: d.app.url + "/callback", HTTP: &http.Client{Transport: p.http},
	}
	var err error
	if p.keep, err = keeper.New(d.stores.app, p.client, &keeper.Options{Logger: p.logger, Transport: p.http}); err != nil {
		return nil, err
	}
	p.session = p.newSession(p.keep)
	if p.guard, err = middleware.New(p.keep, p.resolve, &middleware.Options{
		Realm: "app", Session: p.session, Logger: p.logger,
	}); err != nil {
		return nil, err
	}
	if p.web, err = weblogin.New(p.client, p.session, p.identify, p.webOptions()); err != nil {
		return nil, err
	}
	// The page shows an expired token as expired: manual mode tells, and calls no provider.
	if p.looker, err = keeper.New(d.stores.app, p.client, &keeper.Options{Mode: keeper.Manual, Logger: p.logger}); err != nil {
		return nil, err
	}
	p.look, err = middleware.New(p.looker, middleware.Self, &middleware.Options{
		Realm: "app", Session: p.newSession(p.looker), Logger: p.logger,
	})
	if err != nil {
		return nil, err
	}
	p.handler, err = p.routes(logs)
	return p, err
}

func (p *partner) newSession(keep *keeper.Keeper) *middleware.Session {
	return &middleware.Session{
		Keeper: keep, Ring: p.d.stores.appRing, Origin: p.d.app.url, Lifetime: sessionLife,
		InsecureLoopbackHTTP: true, // yours is https, and leaves this out
	}
}

// identify names the app's user at login: whoever the provider says the token belongs to.
func (p *partner) identify(ctx context.Context, rec *store.Record) error {
	var u user
	if err := p.client.UserInfo(ctx, rec.Token, &u); err != nil {
		return err
	}
	rec.Subject = u.ID
	return nil
}

// resolve fetches the user from the provider, with whatever token the keeper has by now: the client carries it, and
// refreshes once more if the provider calls it invalid before its time.
func (p *partner) resolve(ctx context.Context, rec *store.Record) (*user, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.client.UserInfoURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.keep.Client(rec.Handle, p.d.provider.url).Do(req)
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
	tok, err := p.client.Password(ctx, username, password, strings.Fields(scope)...)
	if err != nil {
		return nil, err
	}
	rec := &store.Record{Token: tok, Expires: time.Now().Add(sessionLife)}
	if err := p.identify(ctx, rec); err != nil {
		return nil, err
	}
	return p.keep.Start(ctx, store.Handle{}, rec)
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

// clientSecret is what the provider has registered.
func (d *demo) clientSecret(id string) string {
	for _, c := range d.known.clients {
		if c.ID == id {
			return c.Secret
		}
	}
	return ""
}
