package authserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is the successful answer of a token endpoint (RFC 6749 section 5.1), the dialects' members included.
type answer struct {
	AccessToken, TokenType string
	Expires, ExpiresIn     int64
	RefreshToken           string
	RefreshExpiresIn       int64
	IDToken, Scope         string
}

// answer tells p in the words of c's dialect.
func (c *client) answer(p *pair) answer {
	d := c.d
	a := answer{
		AccessToken: p.access.Reveal(),
		TokenType:   c.tokenType(p.key),
		// Within a grace, the same token may be told in its last second; 0 is "not known" to many clients.
		ExpiresIn: max(1, seconds(p.expiry.Sub(p.now))),
		IDToken:   p.idToken,
		Scope:     strings.Join(p.scopes, " "),
	}
	if d.Expires {
		a.Expires = p.expiry.Unix()
	}
	if !p.refresh.IsZero() {
		a.RefreshToken = p.refresh.Reveal()
		if d.RefreshExpiresIn {
			a.RefreshExpiresIn = seconds(p.refreshExpiry.Sub(p.now))
		}
	}
	return a
}

// encode returns a as JSON.
func (a *answer) encode() []byte {
	o := newObject(len(a.AccessToken) + len(a.RefreshToken) + len(a.IDToken) + len(a.Scope))
	o = o.token("access_token", a.AccessToken).text("token_type", a.TokenType)
	if a.Expires != 0 {
		o = o.number("expires", a.Expires)
	}
	o = o.number("expires_in", a.ExpiresIn).token("refresh_token", a.RefreshToken)
	if a.RefreshExpiresIn != 0 {
		o = o.number("refresh_token_expires_in", a.RefreshExpiresIn)
	}
	return o.token("id_token", a.IDToken).text("scope", a.Scope).end()
}

// seconds rounds down: a token must not be told to live longer than it does.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// failure is an error answer (RFC 6749 section 5.2). Its texts are ours alone: nothing of a request is echoed.
type failure struct {
	status      int
	code        string
	description string
	scheme      string        // of the challenge at userinfo; "": Bearer
	challenge   bool          // the client tried Basic, so it gets a challenge
	retryAfter  time.Duration // 0: not told
	cause       error         // for the log; nil when the request was at fault
}

func fail(status int, code, description string) *failure {
	return &failure{status: status, code: code, description: description}
}

func invalidRequest(description string) *failure {
	return fail(http.StatusBadRequest, "invalid_request", description)
}

func invalidGrant(description string) *failure {
	return fail(http.StatusBadRequest, "invalid_grant", description)
}

// Error tells the code, so that a failure travels as an error.
func (f *failure) Error() string { return "authserver: " + f.code + ": " + f.description }

// failureOf returns the failure in err. Any other error means that it could not be found out whether the request was good.
func failureOf(err error) *failure {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f
	}
	return unavailable(err)
}

func unavailable(cause error) *failure {
	f := fail(http.StatusServiceUnavailable, "temporarily_unavailable", "try again later")
	f.cause = cause
	return f
}

func (f *failure) write(w http.ResponseWriter) {
	if f.challenge {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint", charset="UTF-8"`)
	}
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(f.retryAfter)+1, 10))
	}
	writeJSON(w, f.status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{f.code, f.description})
}

// noStore keeps an answer out of every cache (RFC 6749 section 5.1).
func noStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // only a UserInfo callback's value can do that
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	writeBody(w, status, body)
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	v := []string{"no-store", "no-cache", "application/json;charset=UTF-8", "nosniff"} // one allocation for all
	h := w.Header()
	h["Cache-Control"], h["Pragma"], h["Content-Type"], h["X-Content-Type-Options"] = v[0:1:1], v[1:2:2], v[2:3:3], v[3:4:4]
	w.WriteHeader(status)
	w.Write(append(body, '\n')) //nolint:errcheck,gosec // the client is gone; it is JSON, and says so
}
