package granttest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Fault is what goes wrong with one request. The zero value is none, for requests in between that are to succeed. The
// fields can be combined, and happen in their order here.
type Fault struct {
	// Before passes before the request is carried out, even if the client has given up by then.
	Before time.Duration

	// Ignore: the request is not carried out and changes nothing. With no other fault the answer is 503, without a body.
	Ignore bool

	// After passes between carrying the request out and the answer.
	After time.Duration

	// Drop: the connection is closed instead of an answer. A GET over a connection that was used before is then repeated by
	// net/http, and meets the next fault.
	Drop bool

	// Status is the answer's, instead of the provider's own. The body is then empty, unless Body makes one.
	Status int

	// Header is added to the answer's, replacing what the provider sends under the same name.
	Header http.Header

	// Body returns the answer's body for the one that the provider gave ("" with Ignore).
	Body func(body string) string

	// Truncate: the connection breaks after half of the body.
	Truncate bool
}

// Next lets these faults happen to the next requests of this kind, one each, in this order, after those already waiting.
func (p *Provider) Next(kind string, faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next[kind] = append(p.next[kind], faults...)
}

// Always lets f happen to every request of this kind that none of [Provider.Next] is waiting for; the zero Fault ends it.
func (p *Provider) Always(kind string, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.always[kind] = f
}

// unmet fails the test for faults that have not happened: it has not tested what it meant to.
func (p *Provider) unmet() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for kind, faults := range p.next {
		if len(faults) > 0 {
			p.t.Errorf("granttest: %d faults are waiting for a request %q that never came", len(faults), kind)
		}
	}
}

// serve lets one request meet its fault.
func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	entry, f, handler := p.arrived(r)
	p.wait(f.Before)
	own := httptest.NewRecorder()
	if f.Ignore {
		own.Code = http.StatusServiceUnavailable
	} else {
		handler.ServeHTTP(own, r.WithContext(context.WithoutCancel(r.Context())))
		p.note(entry, func(e *Request) { e.Done = true })
	}
	p.wait(f.After)
	if f.Drop {
		abort()
	}
	status, body := f.answer(w.Header(), own)
	p.note(entry, func(e *Request) { e.Status = status })
	w.WriteHeader(status)
	if !f.Truncate {
		io.WriteString(w, body) //nolint:errcheck // the client is gone
		return
	}
	io.WriteString(w, body[:len(body)/2]) //nolint:errcheck // the same
	http.NewResponseController(w).Flush()
	abort()
}

// abort closes the connection of the request being served.
func abort() { panic(http.ErrAbortHandler) } //nolint:forbidigo // net/http has no other way

// answer returns what the client is told, its header in h.
func (f *Fault) answer(h http.Header, own *httptest.ResponseRecorder) (status int, body string) {
	status, body = own.Code, own.Body.String()
	if f.Status != 0 {
		status, body = f.Status, ""
	}
	if f.Body != nil {
		body = f.Body(own.Body.String())
	}
	for _, header := range []http.Header{own.Header(), f.Header} {
		for name, values := range header {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	if f.Truncate {
		h.Set("Content-Length", strconv.Itoa(max(len(body), 1)))
	}
	return status, body
}

// wait passes d, or ends the request when the Provider closes.
func (p *Provider) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.closing:
		abort()
	}
}
