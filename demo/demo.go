package main

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

// demo is both halves, running.
type demo struct {
	cfg           config
	app, provider *endpoint
	accounts      []account
	known         *provider
	partner       *partner
	stores        *stores
	tokenRequests *counter
	failed        chan error // a server that stopped by itself

	stopSweep context.CancelFunc
	sweeping  sync.WaitGroup
}

// start opens the stores, listens and serves. Logs go to logs.
func start(cfg config, logs io.Writer) (_ *demo, err error) {
	d := &demo{cfg: cfg, failed: make(chan error, 1), stopSweep: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.stop(context.Background()))
		}
	}()
	if d.provider, err = listen("provider-addr", cfg.providerAddr); err != nil {
		return nil, err
	}
	if d.app, err = listen("addr", cfg.addr); err != nil {
		return nil, err
	}
	if d.stores, err = openStores(cfg); err != nil {
		return nil, err
	}
	d.accounts = knownAccounts(cfg.insecureBind)
	d.tokenRequests = &counter{Handler: slog.NewTextHandler(logs, nil), n: new(atomic.Int64)}
	kinds := newDialects(cfg.accessTTL)
	d.known, err = newProvider(providerSettings{
		tokens: d.stores.provider, ring: d.stores.providerRing, url: d.provider.url,
		users: newDirectory(d.accounts), dialects: kinds, clients: knownClients(kinds, d.app.url, cfg.insecureBind),
		logger: slog.New(d.tokenRequests).With("from", "provider"),
	})
	if err != nil {
		return nil, err
	}
	if d.partner, err = newPartner(d, logs); err != nil {
		return nil, err
	}
	d.provider.serve(d.guardHost(d.known.handler), logs, d.failed)
	d.app.serve(d.guardHost(harden(oneOrigin(d.app.url, d.partner.handler))), logs, d.failed)
	d.sweep()
	return d, nil
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
			_, err := d.partner.keep.Sweep(ctx, 1000)
			if s, ok := d.stores.provider.(store.Sweeper); ok {
				_, swept := s.Sweep(ctx, 1000, func(context.Context, *store.Record) error { return nil })
				err = errors.Join(err, swept)
			}
			if err != nil && ctx.Err() == nil {
				d.partner.logger.Warn("sweeping", "error", err)
			}
		}
	})
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
	if d.partner != nil {
		errs = append(errs, d.partner.close(ctx))
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
