package keeper

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Keeper keeps the records of one store fresh. It must be made by [New]; all methods may be called concurrently.
// Several keepers, in one process or many, may share a store. It starts no goroutine until there is work, and each
// one it starts has a deadline and ends before Close returns, or is cancelled when Close is cut short.
type Keeper struct {
	tokens    store.TokenStore
	refresher Refresher
	revoker   Revoker  // nil: the refresher cannot revoke
	providers []string // nil: any name is fine
	o         Options
	viewer    store.Viewer // nil: records are read by Get
	system    bool         // Options.Now is the system's clock
	coord     *graves      // where a stateless store's replicas agree; nil: tokens is not stateless

	base   context.Context // ends when Close has drained
	stop   context.CancelFunc
	mu     sync.Mutex // guards what follows
	closed bool
	work   sync.WaitGroup
	flight map[string]*flight // by Record.ID
	gates  map[string]*gate   // by provider
	unsaved
}

// New returns a keeper of the records in tokens, which refreshes through r; a nil r never refreshes. It reports all
// configuration faults at once.
func New(tokens store.TokenStore, r Refresher, o *Options) (*Keeper, error) {
	opts, err := o.withDefaults()
	if tokens == nil {
		err = errors.Join(err, errors.New("keeper: no token store"))
	}
	k := &Keeper{
		tokens: tokens, refresher: r, o: opts, system: o == nil || o.Now == nil,
		flight: map[string]*flight{}, gates: map[string]*gate{},
	}
	k.revoker, _ = r.(Revoker)
	if p, ok := r.(interface{ Providers() []string }); ok {
		k.providers = p.Providers()
	}
	if s, ok := tokens.(store.Stateless); ok {
		k.coord = &graves{s.Coordinator()}
		if k.coord.TokenStore == nil {
			err = errors.Join(err, errors.New("keeper: the stateless store names no coordinator"))
		} else if _, ok := k.coord.TokenStore.(store.Stateless); ok {
			err = errors.Join(err, errors.New("keeper: the stateless store's coordinator is itself stateless"))
		}
	} else if v, ok := tokens.(store.Viewer); ok && v.Viewed() == tokens {
		k.viewer = v // which knows of every logout, unlike a stateless one
	}
	if err != nil {
		return nil, err
	}
	k.base, k.stop = context.WithCancel(context.Background())
	return k, nil
}

// Get returns the record behind h with a token that is valid now, refreshing it first if need be. For a session that
// shares a grant it returns the session's record with the grant's token. Errors: see the package documentation.
func (k *Keeper) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	return k.get(ctx, h, whenDue)
}

// Refresh refreshes now, by the protocol, even if the token is still valid; a refresh that is under way counts. While
// a back-off runs it answers ErrUnavailable without asking the provider.
func (k *Keeper) Refresh(ctx context.Context, h store.Handle) (*store.Record, error) {
	return k.get(ctx, h, always)
}

// Verify is Get for what a request presented: the text of a session credential, never a Key. The record is for reading:
// other requests may hold the same one, so whoever wants to change it takes a Clone. Its Handle finds it, but need not
// reveal the credential.
func (k *Keeper) Verify(ctx context.Context, credential string) (*store.Record, error) {
	h := store.Credential("session", credential)
	if rec := k.view(ctx, h); rec != nil {
		return rec, nil
	}
	return k.get(ctx, h, whenDue)
}

// view returns the record behind h if nothing is to be done but to hand it out, nil otherwise. It is the store's own:
// nobody may change it.
func (k *Keeper) view(ctx context.Context, h store.Handle) *store.Record {
	if k.viewer == nil || k.count.Load() > 0 { // or some record's token is in this process only
		return nil
	}
	rec, now := k.viewer.View(ctx, h)
	if rec == nil || !rec.Grant.IsZero() {
		return nil
	}
	if now.IsZero() || !k.system {
		now = k.o.Now()
	}
	if k.stageOf(rec, now) != valid {
		return nil
	}
	k.observe(Used, rec)
	return rec
}

// Bind tells a stateless store what its sealed handles are bound to: the cookie's name and origin. Other stores need
// none, and it does nothing.
func (k *Keeper) Bind(name string) error {
	if b, ok := k.tokens.(interface{ Bind(name string) error }); ok {
		return b.Bind(name)
	}
	return nil
}

// Close lets no new work begin, waits until ctx ends for what is under way, unsaved tokens included, and then cancels
// the rest. It returns ctx's error if there was a rest. Get goes on serving tokens that are valid.
func (k *Keeper) Close(ctx context.Context) error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		k.work.Wait()
		close(drained)
	}()
	var err error
	select {
	case <-drained:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	k.stop()
	if t, ok := k.o.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
	return err
}

// spawn runs fn detached from the caller, as the keeper's own work with its own deadline; false: the keeper is closed.
func (k *Keeper) spawn(ctx context.Context, deadline time.Duration, fn func(context.Context)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.spawnLocked(ctx, deadline, fn)
}

func (k *Keeper) spawnLocked(ctx context.Context, deadline time.Duration, fn func(context.Context)) bool {
	if k.closed {
		return false
	}
	k.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
		defer cancel()
		defer context.AfterFunc(k.base, cancel)()
		fn(ctx)
	})
	return true
}

func (k *Keeper) closing() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// urgency says which tokens a call wants refreshed.
type urgency uint8

const (
	whenDue urgency = iota
	always
	rejected // by a resource server's 401: once per floor interval
)

func (k *Keeper) get(ctx context.Context, h store.Handle, u urgency) (*store.Record, error) {
	return k.getBy(ctx, h, h, u)
}

// getBy is get for callers that have hashed h beforehand: sum finds the same record.
func (k *Keeper) getBy(ctx context.Context, h, sum store.Handle, u urgency) (*store.Record, error) {
	if k.coord != nil {
		return k.getStateless(ctx, h, u)
	}
	began := time.Now()
	rec, err := k.read(ctx, k.tokens, sum)
	if err != nil {
		return nil, err
	}
	rec.Handle = h
	if rec.Grant.IsZero() {
		return k.fresh(ctx, k.tokens, h, rec, began, u)
	}
	began = time.Now()
	grant, err := k.read(ctx, k.tokens, rec.Grant)
	if err != nil {
		return nil, err
	}
	if !grant.Grant.IsZero() {
		return nil, errHop
	}
	grant, err = k.fresh(ctx, k.tokens, rec.Grant, grant, began, u)
	if err != nil {
		return nil, shareError(rec, err)
	}
	return share(rec, grant), nil
}

// share returns the session's record with the grant's token, and with its provider, whose client carries the token.
func share(session, grant *store.Record) *store.Record {
	session.Token = grant.Token
	if session.Provider == "" {
		session.Provider = grant.Provider
	}
	return session
}

func shareError(session *store.Record, err error) error {
	var updated *UpdatedError
	var expired *ExpiredError
	switch {
	case errors.As(err, &updated):
		return &UpdatedError{Record: share(session, updated.Record)}
	case errors.As(err, &expired):
		return &ExpiredError{Record: share(session, expired.Record), final: expired.final}
	default:
		return err
	}
}

// read is the store's Get, with what this process could not save yet laid over it. An ended record is an error.
func (k *Keeper) read(ctx context.Context, tokens store.TokenStore, h store.Handle) (*store.Record, error) {
	rec, err := tokens.Get(ctx, h)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, storeError("reading the record", err)
	}
	return k.overlay(rec), nil
}

// fresh returns rec, what stands behind h in tokens, with a valid token.
func (k *Keeper) fresh(ctx context.Context, tokens store.TokenStore, h store.Handle, rec *store.Record, began time.Time, u urgency) (*store.Record, error) {
	now := k.o.Now()
	if u == whenDue {
		switch k.stageOf(rec, now) {
		case valid:
			k.observe(Used, rec)
			return rec, nil
		case stale:
			st, err := decodeState(rec)
			if err != nil {
				return nil, unavailable("reading the record", err)
			}
			if st.Failed != "" {
				return nil, loginRequired(st.Failed, nil)
			}
			if k.refresher != nil && k.o.Mode == Auto && !st.leased(rec.ReadAt) && !k.backingOff(rec, &st) && k.refreshable(rec, now) {
				k.join(ctx, tokens, h, rec, began)
			}
			k.observe(Used, rec)
			return rec, nil
		}
		if k.refresher == nil || k.o.Mode == Manual {
			return nil, &ExpiredError{Record: rec, final: !k.refreshable(rec, now)}
		}
	}
	if u == rejected && (!k.refreshable(rec, now) || k.forcedLately(rec)) {
		return rec, nil
	}
	if !k.refreshable(rec, now) {
		return nil, loginRequired("the token cannot be refreshed", nil)
	}
	got, err := k.await(ctx, tokens, h, rec, began)
	switch {
	case err != nil && u == whenDue && errors.Is(err, ErrUnavailable) && !expired(rec, k.o.Now()):
		return rec, nil // within Window only: the old token still serves
	case err == nil && k.o.Mode == Signal && u == whenDue:
		return nil, &UpdatedError{Record: got}
	default:
		return got, err
	}
}

// refreshable reports whether asking the provider can help.
func (k *Keeper) refreshable(rec *store.Record, now time.Time) bool {
	if k.refresher == nil {
		return false
	}
	return rec.Token.RefreshExpiry.IsZero() || now.Before(rec.Token.RefreshExpiry)
}

type stage uint8

const (
	valid stage = iota
	stale       // valid, and worth a look at the state: due for an early refresh, dead, or of another version
	over
)

func (k *Keeper) stageOf(rec *store.Record, now time.Time) stage {
	window := k.o.Window
	if k.o.Mode == Auto {
		window = 0
	}
	if expired(rec, now.Add(window)) {
		return over
	}
	if early := earlyOf(rec); !early.IsZero() && !now.Before(early) || !known(rec) {
		return stale
	}
	return valid
}

func expired(rec *store.Record, now time.Time) bool {
	e := rec.Token.Expiry
	return !e.IsZero() && !now.Before(e)
}

// knows reports whether name is one of the refresher's providers.
func (k *Keeper) knows(name string) bool {
	return k.providers == nil || slices.Contains(k.providers, name)
}
