package grants

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// ErrCallback: the callback does not answer the flow it was given with: another state or issuer, a repeated parameter,
// an expired flow. Nothing was sent to the token endpoint; the browser deserves a 400.
var ErrCallback = errors.New("the callback does not belong to this flow")

// Error is why a request to an authorization server gave nothing: what the server said (RFC 6749 section 5.2), or why
// it could not say anything. It never holds a secret, nor the body of an answer. It wraps the cause where there is one:
// context.DeadlineExceeded, a *net.OpError, ErrCallback.
type Error struct {
	Provider string // as in Client; a URL without its query
	Request  string // a grant type, or "authorize", "revoke", "userinfo"
	Class    Class

	Code        string // the server's error code, or what stood in its place; may be empty
	Description string // cleaned of control characters and bounded; empty if it echoed a secret
	URI         string // error_uri, if it is an http(s) URL
	Status      int    // HTTP status; 0: no answer, or the answer came through the browser

	after time.Duration
	cause error
}

// Error says who refused what and why, in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "grants: %s at %s: %s", e.Request, e.Provider, e.Class)
	if e.Code != "" && e.Code != string(e.Class) {
		b.WriteString(": " + e.Code)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.cause != nil {
		b.WriteString(": " + bounded(e.cause.Error(), 500))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Outcome says what has become of the credential that was sent; the keeper decides by it.
func (e *Error) Outcome() keeper.Outcome { return e.Class.outcome(e.Status) }

// RetryAfter is how long the server asked to be left alone, at most an hour; zero if it did not.
func (e *Error) RetryAfter() time.Duration { return e.after }

func (c *Client) fail(q *call, ans *answer, class Class, cause error) *Error {
	e := &Error{Provider: c.shown(), Request: q.what, Class: class, cause: cause}
	if ans != nil {
		e.Status = ans.status
		e.after = retryAfter(ans.header.Get("Retry-After"), c.now())
		basic := strings.HasPrefix(q.header.Get("Authorization"), "Basic ")
		if hint := c.otherBasic(); basic && hint != "" && ans.status == http.StatusUnauthorized && cause == nil {
			e.cause = errors.New(hint)
		}
	}
	return e
}

// misconfigured: nothing was sent, and nothing will be before somebody changes the configuration or the call.
func (c *Client) misconfigured(q *call, cause error) *Error {
	return c.fail(q, nil, ConfigError, cause)
}

func (c *Client) neverSent(q *call, cause error) *Error {
	return c.fail(q, nil, RetryLater, fmt.Errorf("nothing was sent: %w", q.safe(cause)))
}

func (c *Client) unanswered(q *call, cause error) *Error {
	return c.fail(q, nil, UnknownOutcome, fmt.Errorf("no answer: %w", q.safe(cause)))
}

func (c *Client) redirected(q *call, from *url.URL, ans *answer) *Error {
	to := "an unreadable URL"
	if u, err := from.Parse(ans.header.Get("Location")); err == nil {
		to = or(q.clean(cleanURL(u), 200), "a URL that holds a secret")
	}
	return c.fail(q, ans, ProtocolError, fmt.Errorf("%s redirects to %s, which is not followed", cleanURL(from), to))
}

// safe keeps a transport's error unless its text holds one of the request's secrets.
func (q *call) safe(err error) error {
	err = stripURL(err)
	if q.leaks(err.Error()) {
		return errors.New("the transport failed (its message held a secret)")
	}
	return err
}

// leaks reports whether text holds one of the request's secrets. Shorter ones than four bytes are in every text.
func (q *call) leaks(text string) bool {
	all := append(q.params.secrets(), q.secrets...)
	all = append(all, q.secret)
	if _, credentials, ok := strings.Cut(q.header.Get("Authorization"), " "); ok {
		all = append(all, credentials)
	}
	for _, s := range all {
		if len(s) >= 4 && (strings.Contains(text, s) || strings.Contains(text, url.QueryEscape(s)) || strings.Contains(text, url.PathEscape(s))) {
			return true
		}
	}
	return false
}

// clean makes what a server said fit for logs.
func (q *call) clean(text string, n int) string {
	if q.leaks(text) {
		return ""
	}
	return bounded(text, n)
}

// bounded drops control and formatting characters, and what exceeds n bytes.
func bounded(text string, n int) string {
	var b strings.Builder
	space := false
	for _, r := range text {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			space = true
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		if b.Len()+len(string(r)) > n {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

const maxRetryAfter = time.Hour

// retryAfter reads seconds or an HTTP date (RFC 9110 section 10.2.3).
func retryAfter(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	if v == "" {
		return 0
	}
	if strings.Trim(v, "0123456789") == "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
