// The demo is tokenkeep in one offline process: a provider that speaks the dialects of five real systems, a partner
// app that signs people in there (Gin), and the same guard around plain net/http.
//
//	go run ./demo          # then open http://127.0.0.1:8080
//	go run ./demo -tour    # walks every flow over real HTTP, prints it, and checks it
//
// It listens on loopback only, over plain http and with known passwords: copy its structure, not those three.
package main

import (
	"context"
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

func main() {
	gin.SetMode(gin.ReleaseMode)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its surroundings as arguments; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stderr)
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

// serve runs the demo until ctx is over.
func serve(ctx context.Context, cfg config, stdout, stderr io.Writer) error {
	d, err := start(cfg, stderr)
	if err != nil {
		return err
	}
	d.describe(stdout)
	// The last line of the start: scripts wait for it.
	fmt.Fprintf(stdout, "ready: app %s provider %s\n", d.app.url, d.provider.url)
	select {
	case <-ctx.Done():
	case err = <-d.failed:
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return errors.Join(err, d.stop(drain))
}
