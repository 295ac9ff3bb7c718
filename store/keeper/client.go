package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Client returns an HTTP client that carries the token behind h (RFC 6750 section 2.1) to the given origins, such as
// "https://api.example.com", and to no other: a request elsewhere is refused, and a redirect elsewhere is followed
// without the token. Only https origins are taken, and http ones of loopback hosts. Without a valid origin every
// request fails.
//
// An expired token is refreshed before the request goes out. If the resource server answers 401 for a token it calls
// invalid, the client refreshes and sends the request once more, provided that its body can be sent again; if the grant
// turns out to be dead or ended, the call fails with that. A request that has an Authorization header of its own is
// left as it is.
//
// Errors come wrapped in *url.Error: use errors.As and errors.Is.
func (k *Keeper) Client(h store.Handle, origins ...string) *http.Client {
	t := &transport{k: k, h: h, sum: store.Hashed(h.Sum())}
	if len(origins) == 0 {
		t.fault = errors.New("keeper: Client: no origin to carry the token to")
	}
	for _, text := range origins {
		u, err := parseOrigin(text)
		if err != nil {
			t.fault = errors.Join(t.fault, err)
			continue
		}
		t.origins = append(t.origins, u)
	}
	return &http.Client{Transport: t}
}

type transport struct {
	k       *Keeper
	h, sum  store.Handle
	origins []*url.URL
	fault   error
	last    atomic.Pointer[line]
}

// line is a token's header value, which requests share: only the text, since a transport may write into a slice.
type line struct{ token, value string }

// Format prints nothing of the handle, which fmt would read past its own redaction.
func (t *transport) Format(f fmt.State, _ rune) { fmt.Fprint(f, "keeper.transport") }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.fault != nil {
		return nil, refuse(req, t.fault)
	}
	if own := req.Header["Authorization"]; len(own) > 0 && own[0] != "" {
		return t.k.o.Transport.RoundTrip(req)
	}
	if !t.mayCarryTo(req.URL) {
		if req.Response != nil { // a redirect led here: go on, without the token
			return t.k.o.Transport.RoundTrip(req)
		}
		return nil, refuse(req, fmt.Errorf("keeper: Client: %s is not one of the token's origins", originOf(req.URL)))
	}
	rec := t.k.view(req.Context(), t.sum)
	if rec == nil {
		var err error
		if rec, err = t.k.getBy(req.Context(), t.h, t.sum, whenDue); err != nil {
			return nil, refuse(req, err)
		}
	}
	resp, err := t.send(req, rec)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || t.k.o.Mode != Auto || !blamesToken(resp) {
		return resp, err
	}
	newer, err := t.renewed(req.Context(), rec.Token)
	switch {
	case errors.Is(err, ErrLoginRequired), errors.Is(err, store.ErrNotFound): // what every later caller is told
		drain(resp.Body)
		return nil, err
	case err != nil, newer.Token.AccessToken == rec.Token.AccessToken:
		return resp, nil //nolint:nilerr // the server's 401 is the caller's answer
	}
	again := rewound(req)
	if again == nil {
		return resp, nil
	}
	drain(resp.Body)
	t.k.observe(Replayed, rec)
	return t.send(again, newer)
}

// carrier is implemented by a Refresher that sends tokens of other types than Bearer its own way: see there. rec is for
// reading only.
type carrier interface {
	Carry(req *http.Request, rec *store.Record, next http.RoundTripper) (*http.Response, error)
}

func (t *transport) send(req *http.Request, rec *store.Record) (*http.Response, error) {
	if kind := rec.Token.TokenType; kind != "" && !strings.EqualFold(kind, "Bearer") {
		if c, ok := t.k.refresher.(carrier); ok {
			return c.Carry(req, rec, t.k.o.Transport)
		}
	}
	return t.k.o.Transport.RoundTrip(t.carry(req, rec.Token))
}

// renewed returns the record with another token than the one that was refused, or with the same if there is none.
func (t *transport) renewed(ctx context.Context, refused store.Token) (*store.Record, error) {
	rec, err := t.k.get(ctx, t.h, whenDue) // somebody may have refreshed since
	if err == nil && rec.Token.AccessToken == refused.AccessToken {
		return t.k.get(ctx, t.h, rejected)
	}
	return rec, err
}

// rewound returns req ready to be sent once more, nil if its body cannot be.
func rewound(req *http.Request) *http.Request {
	if req.Body == nil || req.Body == http.NoBody {
		return req
	}
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	again := *req
	again.Body = body
	return &again
}

// carry returns a copy of req with the token: a RoundTripper must not change the request it was given.
func (t *transport) carry(req *http.Request, tok store.Token) *http.Request {
	l := t.last.Load()
	if l == nil || l.token != tok.AccessToken {
		l = &line{token: tok.AccessToken, value: "Bearer " + tok.AccessToken}
		t.last.Store(l)
	}
	out := &struct {
		http.Request
		value [1]string
	}{Request: *req, value: [1]string{l.value}}
	if out.Header = maps.Clone(req.Header); out.Header == nil {
		out.Header = make(http.Header, 1)
	}
	out.Header["Authorization"] = out.value[:]
	return &out.Request
}

// refuse closes the body, as a RoundTripper must, errors included.
func refuse(req *http.Request, err error) error {
	if req.Body != nil {
		req.Body.Close()
	}
	return err
}

// blamesToken reports whether a 401 may be cured by another token: RFC 6750 section 3.1 says invalid_token, and many
// servers say nothing.
func blamesToken(resp *http.Response) bool {
	challenges := strings.Join(resp.Header.Values("WWW-Authenticate"), ", ")
	return !strings.Contains(challenges, "error=") || strings.Contains(challenges, "invalid_token")
}

// drain lets the connection be used again, unless the body is long.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 16<<10) // best effort
	body.Close()
}

func parseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("keeper: Client: %q is not an origin like https://api.example.com", text)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("keeper: Client: origin %q must be https (http only on a loopback host)", text)
	}
	return u, nil
}

func (t *transport) mayCarryTo(u *url.URL) bool {
	for _, o := range t.origins {
		if u.Scheme == o.Scheme && (u.Host == o.Host || originOf(u) == originOf(o)) {
			return true
		}
	}
	return false
}

// originOf returns scheme, host and port, the default port spelled out.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// forcedFloor is how old a refreshed token must be before a 401 may have it refreshed again: a server that refuses
// every token must not turn each request into a refresh.
const forcedFloor = 30 * time.Second

func (k *Keeper) forcedLately(rec *store.Record) bool {
	st, err := decodeState(rec)
	now := rec.ReadAt
	if now.IsZero() {
		now = k.o.Now()
	}
	return err == nil && !st.SavedAt.IsZero() && now.Sub(st.SavedAt) < forcedFloor
}
