// Package app is the demo program: tokenkeep in one offline process. A provider that speaks the dialects of five real
// systems, a partner app that signs people in there (Gin), and the same guard around plain net/http. Its parts are what a
// service of yours looks like; what must not be copied is named on the page.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

// Main runs the demo with the command line's arguments and exits. More stores than the demo's own may be given.
func Main(more ...Store) {
	gin.SetMode(gin.ReleaseMode)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, more...)
	stop()
	os.Exit(code)
}

// run is Main with its surroundings as arguments; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, more ...Store) int {
	cfg, err := parseFlags(args, stderr, more)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 2
	case cfg.tour:
		return tour(ctx, stdout)
	}
	if err := serve(ctx, cfg, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// tellFront prints every event, one a line.
func (d *demo) tellFront(stdout io.Writer) {
	events, stop := d.events.listen("", 1024)
	defer stop()
	for e := range events {
		if text, err := json.Marshal(e); err == nil {
			fmt.Fprintf(stdout, "%s%s\n", eventPrefix, text)
		}
	}
}

// serve runs the demo until ctx is over.
func serve(ctx context.Context, cfg config, stdout, stderr io.Writer) error {
	d, err := start(cfg, stderr)
	if err != nil {
		return err
	}
	if !cfg.isReplica() {
		d.describe(stdout)
	}
	if cfg.isReplica() {
		// It ends with its front, whose signals reach the whole terminal: first the front stops sending requests.
		var over context.CancelFunc
		ctx, over = context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			io.Copy(io.Discard, os.Stdin) // whatever ends it
			over()
		}()
		go d.tellFront(stdout)
	}
	// The last line of the start: scripts wait for it.
	fmt.Fprintf(stdout, "ready: app %s provider %s\n", d.app.url, d.providerURL)
	select {
	case <-ctx.Done():
	case err = <-d.failed:
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return errors.Join(err, d.stop(drain))
}
