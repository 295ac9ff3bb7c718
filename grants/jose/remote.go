package jose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	missInterval = 30 * time.Second // between fetches because of an unknown kid
	maxHoldOff   = 30 * time.Second // between fetches while they fail
	maxWaiters   = 1000             // for one fetch
)

var (
	errClosed = errors.New("jose: the key set is closed")
	errBusy   = errors.New("jose: key set not available: too many are waiting for it")
)

// RemoteOptions are the optional settings of a [Remote]; nil and the zero value mean the defaults.
type RemoteOptions struct {
	// MaxAge is how old keys may be before they are fetched anew, which nobody waits for; default 5 minutes.
	MaxAge time.Duration
	// MaxStale is how long the last good keys are used while fetching fails; default 1 hour.
	MaxStale time.Duration
	// HTTP gives the transport; its redirect policy and cookie jar are not used. nil: a transport of its own.
	HTTP *http.Client
	// Now is the clock; default time.Now.
	Now func() time.Time

	// InsecureAllowHTTP accepts plain http for hosts that are not loopback: whoever is on the way can then replace the
	// keys.
	InsecureAllowHTTP bool
}

// Remote is the JWK Set at a URL (RFC 7517), usually an authorization server's jwks_uri. It follows rotation:
//
//   - Nothing is fetched before the first token. A fetch has a deadline of 5 seconds of its own: a caller whose context
//     ends neither stops it nor waits for it. There is one at a time, however many callers.
//   - A token with an unknown kid causes a fetch and is judged by what it brings, but not more than once in 30 seconds:
//     tokens with made-up kids become no load, and tokens with known ones never wait for it.
//   - Keys older than MaxAge are fetched anew in the background. A withdrawn key is gone after the next fetch. Keys
//     without a kid fit every token, so a set of only such keys is followed by age alone.
//   - While fetching fails, the last good keys serve until they are older than MaxStale; then, and for kids that nobody
//     could look up, the error says that the keys are not available. Between attempts are 1 to 30 seconds.
//   - Redirects are not followed, an answer has at most 512 KiB and 100 keys, HMAC secrets in it are ignored.
//
// Make one with [NewRemote]. Its methods may be called concurrently. [Remote.Close] ends a fetch under way.
type Remote struct {
	url       *url.URL
	transport http.RoundTripper
	maxAge    time.Duration
	maxStale  time.Duration
	now       func() time.Time

	known      atomic.Pointer[snapshot]
	generation atomic.Uint64

	mu       sync.Mutex
	flight   *flight   // under way; nil: none
	missed   time.Time // when a fetch ended that did not bring the unknown kid it was made for
	tried    time.Time // when the last fetch failed
	failures int       // since the last success
	failed   error     // why the last fetch failed
	closed   bool
}

// NewRemote returns the key set at a URL: https, or http on a loopback host. It fetches nothing yet. The error names
// every setting that is wrong.
func NewRemote(jwksURL string, o *RemoteOptions) (*Remote, error) {
	if o == nil {
		o = &RemoteOptions{}
	}
	u, err := parseURL(jwksURL, o.InsecureAllowHTTP)
	errs := []error{err}
	r := &Remote{url: u, maxAge: o.MaxAge, maxStale: o.MaxStale, now: o.Now, transport: transportOf(o.HTTP)}
	if r.maxAge == 0 {
		r.maxAge = 5 * time.Minute
	}
	if r.maxStale == 0 {
		r.maxStale = max(time.Hour, r.maxAge)
	}
	if r.maxAge < 0 || r.maxStale < r.maxAge {
		errs = append(errs, fmt.Errorf("jose: MaxStale %s is shorter than MaxAge %s, or one is negative", r.maxStale, r.maxAge))
	}
	if r.now == nil {
		r.now = time.Now
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

func parseURL(s string, anyHTTP bool) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return nil, errors.New("jose: the key set's URL is not an absolute one without user and fragment")
	case u.Scheme == "https", u.Scheme == "http" && (anyHTTP || loopback(u.Hostname())):
		return u, nil
	}
	return nil, fmt.Errorf("jose: the key set's URL at %q must be https (http only for loopback hosts)", u.Host)
}

func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// Generation changes whenever a fetch brings another set: what was verified before must be verified anew.
func (r *Remote) Generation() uint64 { return r.generation.Load() }

// Keys returns the keys with this kid and those without one, all if kid is empty; none if the set at the URL has none.
func (r *Remote) Keys(ctx context.Context, kid string) ([]Key, error) {
	now := r.now()
	set := r.known.Load()
	if keys, ok := set.find(kid); ok && now.Sub(set.fetched) < r.maxAge {
		return keys, nil
	}
	f, err := r.plan(kid, now)
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return r.settle(kid)
	}
	select {
	case <-f.done:
		return r.settle(kid)
	case <-ctx.Done():
		return nil, fmt.Errorf("jose: waiting for the key set: %w", context.Cause(ctx))
	}
}

// plan starts or joins a fetch where one is due, and returns the one that the caller must wait for; nil: none.
func (r *Remote) plan(kid string, now time.Time) (*flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	set := r.known.Load()
	_, found := set.find(kid)
	age := set.age(now)
	switch {
	case found && age < r.maxAge:
		return nil, nil // fetched meanwhile
	case r.flight != nil:
	case r.failures > 0 && now.Sub(r.tried) < r.holdOff():
		return nil, nil
	case set == nil, age >= r.maxAge, now.Sub(r.missed) >= missInterval:
		r.start(now)
	default:
		return nil, nil // one unknown kid too many
	}
	// Known keys serve while a fetch is merely due, and at once while fetches fail; after a long silence they do not.
	if found && age < r.maxStale && (r.failures > 0 || age < 2*r.maxAge) {
		return nil, nil
	}
	if r.flight.waiters == maxWaiters {
		return nil, errBusy
	}
	r.flight.waiters++
	if !found && r.flight.wanted == "" {
		r.flight.wanted = kid
	}
	return r.flight, nil
}

// holdOff is how long no fetch follows one that failed: 1, 2, 4 … 30 seconds.
func (r *Remote) holdOff() time.Duration {
	return min(time.Second<<min(r.failures-1, 5), maxHoldOff)
}

// settle answers by what is known now.
func (r *Remote) settle(kid string) ([]Key, error) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.known.Load()
	keys, found := set.find(kid)
	if set == nil || set.age(now) >= r.maxStale || !found && r.failures > 0 {
		return nil, fmt.Errorf("jose: key set not available: %w", r.failed)
	}
	return keys, nil
}
