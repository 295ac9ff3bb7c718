package grants

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// Hook adapts what no field of Client can say about a server: the last resort, since most deviations need none.
// A Client's hooks run in order, for every request of the client's own, refreshes like first requests. Each part may be
// nil. The first error ends the request.
type Hook struct {
	// Request changes a request before it is encoded. The client's credentials are added afterwards, so no hook sees
	// them. After an error nothing is sent (ConfigError).
	Request func(ctx context.Context, r *Request) error
	// Response changes an answer before it is read. An error does not undo what the server has done: the class follows
	// the status, and a refresh token in the answer is kept.
	Response func(ctx context.Context, r *Response) error
}

// Request is a request about to be sent. It prints redacted.
type Request struct {
	Name   string     // a grant type, or "revoke", "userinfo", … as in Client.Extra
	Method string     // POST, or GET; with GET the parameters go into the query
	URL    string     // checked again after the hooks
	Params url.Values // what the body will say
	Header http.Header
}

// Response is an answer as it came, at most 1 MiB. It prints redacted.
type Response struct {
	Name   string // as in Request
	Status int
	Header http.Header
	Body   []byte
}

// String tells name, method and the URL without its query.
func (r Request) String() string {
	u, err := url.Parse(r.URL)
	if err != nil {
		u = &url.URL{}
	}
	return fmt.Sprintf("request(%s, %s %s)", r.Name, r.Method, cleanURL(u))
}

// Format prints [Request.String] for every verb.
func (r Request) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// LogValue logs [Request.String].
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON encodes [Request.String].
func (r Request) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// String tells name, status and size.
func (r Response) String() string {
	return fmt.Sprintf("response(%s, status %d, %d bytes)", r.Name, r.Status, len(r.Body))
}

// Format prints [Response.String] for every verb.
func (r Response) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// LogValue logs [Response.String].
func (r Response) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON encodes [Response.String].
func (r Response) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// before runs the request hooks.
func (c *Client) before(ctx context.Context, q *call) error {
	if len(c.Hooks) == 0 {
		return nil
	}
	r := &Request{Name: q.what, Method: q.method, URL: q.url, Params: url.Values{}, Header: q.header}
	for _, p := range q.params {
		r.Params.Add(p.name, p.value)
	}
	for i, h := range c.Hooks {
		if h.Request == nil {
			continue
		}
		if err := h.Request(ctx, r); err != nil {
			return fmt.Errorf("request hook %d: %w", i, q.safe(err))
		}
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return fmt.Errorf("the hooks made it a %s request, which is neither POST nor GET", bounded(r.Method, 20))
	}
	q.method, q.url, q.header = r.Method, r.URL, r.Header
	if q.header == nil {
		q.header = http.Header{}
	}
	q.params = q.params[:0]
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		for _, v := range r.Params[name] {
			q.params = append(q.params, param{name, v})
		}
	}
	return nil
}

// after runs the response hooks on a copy of the answer.
func (c *Client) after(ctx context.Context, q *call, ans *answer) error {
	if len(c.Hooks) == 0 {
		return nil
	}
	r := &Response{Name: q.what, Status: ans.status, Header: ans.header.Clone(), Body: bytes.Clone(ans.body)}
	for i, h := range c.Hooks {
		if h.Response == nil {
			continue
		}
		if err := h.Response(ctx, r); err != nil {
			return c.fail(q, ans, c.classify("", ans.status), fmt.Errorf("response hook %d: %w", i, q.safe(err)))
		}
	}
	ans.status, ans.header, ans.body = r.Status, r.Header, r.Body
	return nil
}
