package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Mode is what an expired token leads to.
type Mode uint8

const (
	// Auto refreshes, and returns the refreshed record.
	Auto Mode = iota
	// Signal refreshes, commits, then answers *UpdatedError carrying the new record.
	Signal
	// Manual calls no provider and answers *ExpiredError; the application calls Refresh itself.
	Manual
)

// Options are the keeper's settings; nil and the zero value mean the defaults.
type Options struct {
	Mode Mode // what an expired token leads to; zero: Auto

	// Window is how long before its expiry a token counts as expired in Manual and Signal mode; 0: only once it is.
	// Auto chooses its own: a tenth of the lifetime, 30 s to 5 min, in the background, while the old token is served.
	Window time.Duration

	// The times of the protocol, checked together: Lease must be at least the sum of the other three.
	SendBudget   time.Duration // for all sends under one lease, each at most half of it; default 8 s
	CommitBudget time.Duration // for storing the answer; default 5 s
	ClockMargin  time.Duration // for clocks that drift and processes that pause; default 2 s
	Lease        time.Duration // after which another process takes over; default 15 s

	// NeverResend is for providers that revoke access tokens too when a refresh token is used twice: one whose fate is
	// unknown is sent again only once the access token has expired.
	NeverResend bool

	// RevokeEndsGrant is for providers where one revocation ends all tokens of user and client: what remains to be
	// revoked is dropped when the same key has a newer grant.
	RevokeEndsGrant bool

	// MaxConcurrent bounds the refreshes under way at one provider in this process; default 64.
	MaxConcurrent int

	// OnRefresh hears of each refresh once, after it was committed, in the process that committed. Waiting callers
	// go on when it returns, or after ClockMargin. Its error or panic is reported and undoes nothing.
	OnRefresh func(ctx context.Context, old, updated *store.Record) error

	// OnUnsaved hears of a refreshed record that the store did not take; the keeper goes on trying. Callers wait for
	// it no longer than for OnRefresh.
	OnUnsaved func(rec *store.Record)

	// Observer hears of every event; nil: nobody.
	Observer Observer

	// Logger gets what an operator should see; nil: slog.Default(). No secret is ever logged.
	Logger *slog.Logger

	// Transport carries the requests of Client; nil: a transport of the keeper's own.
	Transport http.RoundTripper

	// Now is the process's clock, used for token expiry; nil: time.Now. Leases use the store's.
	Now func() time.Time

	// Jitter returns values in [0, 1) that spread waits and expiries; nil: math/rand/v2.
	Jitter func() float64

	chaosOptions
}

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var errs []error
	set := func(name string, d *time.Duration, def time.Duration) {
		if *d < 0 {
			errs = append(errs, fmt.Errorf("keeper: Options.%s is negative: %v", name, *d))
		}
		if *d == 0 {
			*d = def
		}
	}
	set("Window", &c.Window, 0)
	set("SendBudget", &c.SendBudget, 8*time.Second)
	set("CommitBudget", &c.CommitBudget, 5*time.Second)
	set("ClockMargin", &c.ClockMargin, 2*time.Second)
	set("Lease", &c.Lease, c.SendBudget+c.CommitBudget+c.ClockMargin)
	if least := c.SendBudget + c.CommitBudget + c.ClockMargin; c.Lease < least {
		errs = append(errs, fmt.Errorf("keeper: Options.Lease is %v, less than SendBudget + CommitBudget + ClockMargin = %v", c.Lease, least))
	}
	if c.MaxConcurrent < 0 {
		errs = append(errs, fmt.Errorf("keeper: Options.MaxConcurrent is negative: %d", c.MaxConcurrent))
	}
	if c.Mode > Manual {
		errs = append(errs, fmt.Errorf("keeper: Options.Mode is unknown: %d", c.Mode))
	}
	if c.MaxConcurrent == 0 {
		c.MaxConcurrent = 64
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Transport == nil {
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			c.Transport = t.Clone()
		} else {
			c.Transport = http.DefaultTransport
		}
	}
	return c, errors.Join(errs...)
}
