package granttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Request is one request as it arrived, and what became of it. It prints without secrets: of its parameters and headers
// only those are shown that name things.
type Request struct {
	Kind   string // a grant type, or what endpoint it was sent to
	Method string
	Path   string
	Header http.Header
	Form   url.Values // the parameters: of the body, form or JSON, or else of the query
	Done   bool       // carried out: what it asked for was done, or refused by the Provider itself
	Status int        // of the answer; 0: none was sent (yet)
}

// Requests returns the requests of these kinds, of all kinds when none is given, in the order in which they arrived.
func (p *Provider) Requests(kinds ...string) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var some []Request
	for _, r := range p.log {
		if len(kinds) == 0 || slices.Contains(kinds, r.Kind) {
			r.Header, r.Form = r.Header.Clone(), url.Values(http.Header(r.Form).Clone())
			some = append(some, r)
		}
	}
	return some
}

const maxBody = 1 << 20

// arrived logs a request and returns its place in the log, its fault, and who carries it out.
func (p *Provider) arrived(r *http.Request) (entry int, f Fault, handler http.Handler) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody)) // half a body is what the handler then refuses
	r.Body = io.NopCloser(bytes.NewReader(body))
	form := parameters(r, body)
	kind := kindOf(r.URL.Path, form)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, Request{
		Kind: kind, Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Form: form,
	})
	f = p.always[kind]
	if waiting := p.next[kind]; len(waiting) > 0 {
		f, p.next[kind] = waiting[0], waiting[1:]
	}
	return len(p.log) - 1, f, p.mux
}

func (p *Provider) note(entry int, change func(*Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.log[entry])
}

func parameters(r *http.Request, body []byte) url.Values {
	if len(body) == 0 {
		return r.URL.Query()
	}
	var object map[string]any
	if json.Unmarshal(body, &object) == nil {
		form := url.Values{}
		for name, value := range object {
			form.Set(name, fmt.Sprint(value))
		}
		return form
	}
	form, _ := url.ParseQuery(string(body)) // what can be read of it
	return form
}

func kindOf(path string, form url.Values) string {
	name := strings.Trim(path, "/")
	switch {
	case name == "token":
		return form.Get("grant_type")
	case name == "device_authorization":
		return "device"
	case strings.HasPrefix(name, ".well-known/"):
		return "discovery"
	}
	return name
}

// shown are the parameters whose values are no secrets.
var shown = []string{
	"audience", "client_id", "code_challenge_method", "grant_type", "redirect_uri", "resource", "response_type", "scope",
	"token_type_hint",
}

// String tells what was asked and how it ended.
func (r Request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.Path)
	if scheme, _, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		fmt.Fprintf(&b, ", %s", scheme)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Form)) {
		value := "…"
		if slices.Contains(shown, name) {
			value = strings.Join(r.Form[name], ",")
		}
		fmt.Fprintf(&b, " %s=%s", name, value)
	}
	switch {
	case r.Status != 0:
		fmt.Fprintf(&b, ": %d", r.Status)
	default:
		b.WriteString(": no answer")
	}
	if !r.Done {
		b.WriteString(", not carried out")
	}
	return b.String()
}

// Format prints [Request.String] for every verb.
func (r Request) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// LogValue logs [Request.String].
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON encodes [Request.String], so that a stray encoder leaks nothing.
func (r Request) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }
