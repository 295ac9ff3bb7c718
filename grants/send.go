package grants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// call is one request to the authorization server.
type call struct {
	what    string // names it in errors and in Client.Extra
	field   string // of Client, which has the URL
	method  string
	url     string
	params  params
	header  http.Header
	proves  bool     // with a proof of DPoP's key
	token   string   // that the proof goes with, if any
	secret  string   // the client's
	secrets []string // beside those among params and in header: what the server might echo and no error may carry
}

// answer is what came back, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
	asked  time.Time // just before the request was sent: lifetimes count from here
}

// post sends params to one of the server's endpoints, the client authenticated; again only if the server wants nothing
// but a nonce in the proof (RFC 9449 section 8), with a proof and an assertion of its own.
func (c *Client) post(ctx context.Context, what, field, to string, p params) (*call, *answer, error) {
	if c.DPoP == nil || field != "TokenURL" {
		return c.postOnce(ctx, &call{what: what, field: field, url: to, params: p})
	}
	q, ans, err := c.postOnce(ctx, &call{what: what, field: field, url: to, params: slices.Clone(p), proves: true})
	if err == nil && wantsNonce(ans.status, ans.header, ans.body) {
		return c.postOnce(ctx, &call{what: what, field: field, url: to, params: p, proves: true})
	}
	return q, ans, err
}

func (c *Client) postOnce(ctx context.Context, q *call) (*call, *answer, error) {
	q.method, q.header = http.MethodPost, http.Header{"Accept": {"application/json"}}
	if err := c.prepare(ctx, q); err != nil {
		return q, nil, c.unprepared(q, err)
	}
	ans, err := c.send(ctx, q)
	return q, ans, err
}

// unprepared tells a key that does not answer from a fault that stays.
func (c *Client) unprepared(q *call, err error) *Error {
	if errors.Is(err, errSigning) {
		return c.neverSent(q, err)
	}
	return c.misconfigured(q, err)
}

// prepare adds configured extras, then the credentials, which no extra can replace.
func (c *Client) prepare(ctx context.Context, q *call) error {
	if len(c.Hooks) > 0 {
		q.secrets = q.params.secrets() // a hook may rename them
	}
	if err := errors.Join(q.extra(c.Extra[""]), q.extra(c.Extra[q.what])); err != nil {
		return err
	}
	if err := c.before(ctx, q); err != nil {
		return err
	}
	p, err := c.authenticate(q.params, q.header)
	if err != nil {
		return err
	}
	q.params, q.secret = p, c.Secret
	return nil
}

func (q *call) extra(x Extra) error {
	if err := x.fault(q.what); err != nil {
		return err
	}
	q.params = q.params.extra(x.Params)
	for name, values := range x.Header {
		q.header[http.CanonicalHeaderKey(name)] = slices.Clone(values) // a hook may write into it
	}
	return nil
}

func (c *Client) send(ctx context.Context, q *call) (*answer, error) {
	u, err := c.endpoint(q.field, q.url)
	if err != nil {
		return nil, c.misconfigured(q, err)
	}
	req := &http.Request{
		Method: q.method, URL: u, Host: u.Host, Header: q.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if err := c.encode(req, q); err != nil {
		return nil, c.misconfigured(q, err)
	}
	if q.proves {
		proof, err := c.DPoP.prove(q.method, u, q.token, c.now())
		if err != nil {
			return nil, c.unprepared(q, err)
		}
		q.header.Set("DPoP", proof)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, c.neverSent(q, context.Cause(ctx))
	}
	var t trace
	ans := &answer{asked: c.now()}
	resp, err := c.transport().RoundTrip(req.WithContext(t.watch(ctx)))
	if err != nil {
		if t.neverSent(err) {
			return nil, c.neverSent(q, err)
		}
		return nil, c.unanswered(q, err)
	}
	defer resp.Body.Close()
	ans.status, ans.header = resp.StatusCode, resp.Header
	if q.proves {
		c.DPoP.remember(u, ans.header)
	}
	if ans.status >= 300 && ans.status < 400 {
		return nil, c.redirected(q, u, ans)
	}
	ans.body, err = readBody(resp.Body)
	switch {
	case len(ans.body) > maxBody:
		ans.body = nil
		if ans.status < 300 {
			return nil, c.fail(q, ans, TooLarge, errors.New("the answer is larger than 1 MiB"))
		}
	case err != nil:
		ans.body = nil
		if ans.status < 300 {
			return nil, c.fail(q, ans, UnknownOutcome, fmt.Errorf("the answer was cut off: %w", q.safe(err)))
		}
	}
	return ans, c.after(ctx, q, ans)
}

// readBody reads at most one byte more than an answer may have, for which it allocates 1.7 MiB at most.
func readBody(from io.Reader) ([]byte, error) {
	b := make([]byte, 0, 512)
	for len(b) <= maxBody {
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(4*cap(b), maxBody+1)), b...)
		}
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		} else if err != nil {
			return b, err
		}
	}
	return b, nil
}

// encode writes the parameters where the method has them.
func (c *Client) encode(req *http.Request, q *call) error {
	if q.method == http.MethodGet {
		if form := q.params.form(); form != "" {
			req.URL.RawQuery = joinQuery(req.URL.RawQuery, form)
		}
		if q.field != "UserInfoURL" && q.field != "Issuer" { // a token request that a hook made a GET
			// http.Transport repeats a GET after a lost answer, unless it has a body that cannot be read again.
			req.Body = io.NopCloser(strings.NewReader(""))
		}
		return nil
	}
	body, kind := "", "application/x-www-form-urlencoded"
	if c.encoding() == JSON {
		var err error
		if body, err = q.params.json(); err != nil {
			return err
		}
		kind = "application/json;charset=UTF-8"
	} else {
		body = q.params.form()
	}
	if req.Header["Content-Type"] == nil {
		req.Header["Content-Type"] = []string{kind}
	}
	req.ContentLength = int64(len(body))
	req.Body = io.NopCloser(strings.NewReader(body))
	if req.Header["Idempotency-Key"] != nil || req.Header["X-Idempotency-Key"] != nil {
		return nil // http.Transport takes it for leave to repeat a POST after a lost answer
	}
	// Lets http.Transport take another connection when nothing was written to a dead one.
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	return nil
}

func joinQuery(a, b string) string {
	if a == "" {
		return b
	}
	return a + "&" + b
}

// trace watches whether a request has left. Its hooks run on the transport's goroutines.
type trace struct{ asked, wrote atomic.Bool }

func (t *trace) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { t.asked.Store(true) },
		WroteHeaders: func() { t.wrote.Store(true) }, // before the body, in HTTP/1 and HTTP/2
	})
}

// neverSent reports whether the server certainly has not seen the request. The trace is believed only if the transport
// has called it at all: one that ignores traces proves nothing by silence.
func (t *trace) neverSent(err error) bool {
	if t.wrote.Load() {
		return false
	}
	var op *net.OpError
	var dns *net.DNSError
	return t.asked.Load() || errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// stripURL drops what a *url.Error knows of the URL: its query may hold anything.
func stripURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// get fetches a document for nobody in particular, or for the holder of a token.
func (c *Client) get(ctx context.Context, what, field, from string, tok store.Token) (*call, *answer, error) {
	q := &call{what: what, field: field, method: http.MethodGet, url: from, header: http.Header{
		"Accept": {"application/json"},
	}}
	switch {
	case tok.AccessToken == "":
	case !bound(tok):
		q.header["Authorization"] = []string{"Bearer " + tok.AccessToken}
	case c.DPoP == nil:
		return q, nil, c.misconfigured(q, errNoDPoP)
	default:
		q.header["Authorization"] = []string{"DPoP " + tok.AccessToken}
		q.proves, q.token = true, tok.AccessToken
	}
	err := q.extra(c.Extra[what])
	if err == nil {
		err = c.before(ctx, q)
	}
	if err != nil {
		return q, nil, c.misconfigured(q, err)
	}
	ans, err := c.send(ctx, q)
	return q, ans, err
}

// looksJSON tells JSON from the rest by its first byte, since content types lie.
func looksJSON(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n\ufeff")
	return len(body) > 0 && body[0] == '{'
}
