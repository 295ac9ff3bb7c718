package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// demo is both halves, running. Behind a front of replicas a process has one of them only.
type demo struct {
	*surroundings
	app, provider *endpoint
	known         *provider // nil in a replica
	stage         *stage    // nil in a front
	partner       *partner  // on the store that the flags name
	front         *front    // nil but in a front
	tokenRequests *counter
	failed        chan error // a server that stopped by itself

	stopSweep context.CancelFunc
	sweeping  sync.WaitGroup
}

// start opens the stores, listens and serves. Logs go to logs.
func start(cfg config, logs io.Writer) (_ *demo, err error) {
	d := &demo{
		surroundings: &surroundings{cfg: cfg, events: newHub(), logs: logs, appURL: cfg.frontURL, providerURL: cfg.frontedURL},
		failed:       make(chan error, 1), stopSweep: func() {},
		tokenRequests: &counter{Handler: slog.NewTextHandler(logs, nil), n: new(atomic.Int64)},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.stop(context.Background()))
		}
	}()
	if err := d.listen(); err != nil {
		return nil, err
	}
	if d.stores, err = openStores(cfg); err != nil {
		return nil, err
	}
	d.accounts = knownAccounts(cfg.insecureBind)
	kinds := newDialects(cfg.accessTTL)
	clients := knownClients(kinds, d.appURL, cfg.insecureBind)
	d.secrets = map[string]string{}
	for _, c := range clients {
		d.secrets[c.ID] = c.Secret
	}
	if !cfg.isReplica() {
		d.known, err = newProvider(providerSettings{
			tokens: d.stores.provider, ring: d.stores.providerRing, url: d.provider.url,
			users: newDirectory(d.accounts), dialects: kinds, clients: clients, events: d.events, trouble: cfg.trouble,
			logger: slog.New(d.tokenRequests).With("from", "provider"),
		})
		if err != nil {
			return nil, err
		}
		d.provider.serve(d.guardHost(d.known.handler), logs, d.failed)
	}
	h, err := d.appHandler()
	if err != nil {
		return nil, err
	}
	d.app.serve(d.guardHost(harden(oneOrigin(d.appURL, h))), logs, d.failed)
	d.app.server.RegisterOnShutdown(d.events.close)
	d.sweep()
	return d, nil
}

func (d *demo) listen() (err error) {
	if !d.cfg.isReplica() {
		if d.provider, err = listen("provider-addr", d.cfg.providerAddr); err != nil {
			return err
		}
		d.providerURL = d.provider.url
	}
	if d.app, err = listen("addr", d.cfg.addr); err != nil {
		return err
	}
	if !d.cfg.isReplica() {
		d.appURL = d.app.url
	}
	return nil
}

// appHandler is the app, or the front of its replicas.
func (d *demo) appHandler() (http.Handler, error) {
	sameOrigin := http.NewCrossOriginProtection()
	if d.cfg.isFront() {
		var err error
		if d.front, err = newFront(d); err != nil {
			return nil, err
		}
		return sameOrigin.Handler(d.front), nil
	}
	d.stage = newStage(d.surroundings)
	var err error
	if d.partner, err = d.stage.on(d.cfg.store); err != nil {
		return nil, err
	}
	if d.cfg.isReplica() {
		return sameOrigin.Handler(d.stage), nil
	}
	mux := http.NewServeMux()
	mux.Handle("POST /storm", &storm{d: d.surroundings, cast: d.stage})
	mux.Handle("/", d.stage)
	return sameOrigin.Handler(mux), nil
}

// guardHost admits loopback names only, unless the demo was told to serve others.
func (d *demo) guardHost(h http.Handler) http.Handler {
	if d.cfg.insecureBind {
		return h
	}
	return localHost(h)
}

// sweep cleans up as a service would: constructors start nothing, the caller's ticker does.
func (d *demo) sweep() {
	ctx, stop := context.WithCancel(context.Background())
	d.stopSweep = stop
	d.sweeping.Go(func() {
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := d.sweepOnce(ctx); err != nil && ctx.Err() == nil {
				slog.New(slog.NewTextHandler(d.logs, nil)).Warn("sweeping", "error", err)
			}
		}
	})
}

func (d *demo) sweepOnce(ctx context.Context) error {
	var errs []error
	if d.stage != nil {
		errs = append(errs, d.stage.each(func(p *partner) error {
			_, err := p.keep.Sweep(ctx, 1000)
			return err
		}))
	}
	if s, ok := d.stores.provider.(store.Sweeper); ok {
		_, err := s.Sweep(ctx, 1000, func(context.Context, *store.Record) error { return nil })
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// stop ends in the order of dependence: no new requests, then the keeper's work, which needs the provider, then the
// stores.
func (d *demo) stop(ctx context.Context) error {
	d.stopSweep()
	d.sweeping.Wait()
	var errs []error
	if d.app != nil {
		errs = append(errs, d.app.shutdown(ctx))
	}
	if d.front != nil {
		errs = append(errs, d.front.close(ctx))
	}
	if d.stage != nil {
		errs = append(errs, d.stage.close(ctx))
	}
	if d.provider != nil {
		errs = append(errs, d.provider.shutdown(ctx))
	}
	if d.stores != nil {
		errs = append(errs, d.stores.close())
	}
	return errors.Join(errs...)
}

// describe prints who may sign in where.
func (d *demo) describe(w io.Writer) {
	kept := "in memory: a restart forgets them"
	if d.cfg.db != "" {
		kept = "in " + d.cfg.db + ", keys in " + d.cfg.keys
	}
	fmt.Fprintf(w, "tokenkeep demo. Store: %s. Tokens are kept %s.\n\n", d.cfg.store, kept)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "user\tpassword")
	for _, a := range d.accounts {
		fmt.Fprintf(t, "%s\t%s\n", a.login, a.password)
	}
	fmt.Fprintln(t, "\t\nclient\tsecret")
	for _, c := range d.known.clients {
		fmt.Fprintf(t, "%s\t%s\n", c.ID, c.Secret)
	}
	t.Flush()
	if d.cfg.insecureBind {
		fmt.Fprintln(w, "\nWARNING: listening beyond loopback, over plain http: others on the network can read everything.")
	}
	fmt.Fprintln(w, "\nThe provider logs one line for each token request (stderr). Stop with Ctrl-C.")
}

// counter is a log handler that counts token requests on their way through.
type counter struct {
	slog.Handler
	n *atomic.Int64
}

func (c *counter) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "token request" {
		c.n.Add(1)
	}
	return c.Handler.Handle(ctx, r)
}

func (c *counter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &counter{c.Handler.WithAttrs(attrs), c.n}
}

func (c *counter) WithGroup(name string) slog.Handler {
	return &counter{c.Handler.WithGroup(name), c.n}
}
