// Package calling is table 5: calling an API with a kept token, and refreshing it, alone and with a thousand others.
package calling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

const (
	apiURL   = "https://api.example/v1/things"
	origin   = "https://api.example"
	validTok = "access-0123456789abcdefghijklmnopqrstuvwxyz"
)

// caller is one contestant: a transport that adds the token, and the token alone.
type caller struct {
	transport http.RoundTripper
	token     func(ctx context.Context) (string, error)
}

// opener makes a caller whose token expires then and cannot be refreshed; base carries its requests.
type opener func(scene *measure.Scene, base http.RoundTripper, expires time.Time) (*caller, func() error, error)

// api answers everything with 200 and remembers the last Authorization it saw.
type api struct {
	seen   atomic.Pointer[string]
	header http.Header
}

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	line := ""
	if lines := r.Header["Authorization"]; len(lines) == 1 {
		line = lines[0]
	}
	if seen := a.seen.Load(); seen == nil || *seen != line {
		a.seen.Store(&line)
	}
	return &http.Response{StatusCode: 200, Header: a.header, Body: http.NoBody, Request: r}, nil
}

var openers = []struct {
	name string
	role measure.Role
	open opener
}{
	{"floor: an atomic load and a shallow copy", measure.Floor, floorCaller},
	{"tokenkeep: keeper, memstore", measure.Ours, memoryCaller},
	{"tokenkeep: keeper, sqlitestore", measure.Ours, sqliteCaller},
	{"x/oauth2: shared transport", measure.Peer, sharedCaller},
	{"x/oauth2: a client per request", measure.Peer, perRequestCaller},
}

// Valid are requests, and tokens, while the token is valid.
func Valid() []measure.Row {
	var rows []measure.Row
	for _, job := range []struct {
		table   string
		workers int
		run     func(c *caller) func(int) error
	}{{"calling/request", 0, requests}, {"calling/token", 0, tokens}, {"calling/token, 8 at once", 8, tokens}} {
		for _, o := range openers {
			rows = append(rows, measure.Row{Table: job.table, Name: o.name, Role: o.role, Setup: func(scene *measure.Scene) (*measure.Trial, error) {
				base := &api{header: http.Header{}}
				c, closer, err := o.open(scene, base, time.Now().Add(time.Hour))
				if err != nil {
					return nil, err
				}
				return &measure.Trial{
					Honest: func() error { return honest(scene, o.open, c, base) }, Run: job.run(c), Workers: job.workers, Close: closer,
				}, nil
			}})
		}
	}
	return rows
}

func request() *http.Request {
	r, err := http.NewRequest(http.MethodGet, apiURL, nil)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Accept", "application/json")
	return r
}

func requests(c *caller) func(int) error {
	r := request()
	return func(int) error { _, err := c.transport.RoundTrip(r); return err }
}

func tokens(c *caller) func(int) error {
	ctx := context.Background()
	return func(int) error { _, err := c.token(ctx); return err }
}

// honest: the token goes out, on a copy of the request; an expired one that cannot be refreshed does not.
func honest(scene *measure.Scene, open opener, c *caller, base *api) error {
	r := request()
	if _, err := c.transport.RoundTrip(r); err != nil || *base.seen.Load() != "Bearer "+validTok {
		return fmt.Errorf("does not send its token: %w", err)
	}
	if r.Header.Get("Authorization") != "" {
		return errors.New("changes the request it was given")
	}
	if text, err := c.token(context.Background()); err != nil || text != validTok {
		return fmt.Errorf("does not give its token: %w", err)
	}
	other := &api{header: http.Header{}}
	expired, closer, err := open(scene, other, time.Now().Add(-time.Minute))
	if err != nil {
		return err
	}
	if closer != nil {
		defer closer()
	}
	if _, err := expired.transport.RoundTrip(request()); err == nil || other.seen.Load() != nil {
		return errors.New("sends an expired token")
	}
	if _, err := expired.token(context.Background()); err == nil {
		return errors.New("gives an expired token")
	}
	return nil
}
