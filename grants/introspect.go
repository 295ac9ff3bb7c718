package grants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Introspection is what the server says of a token (RFC 7662 section 2.2). Only Active may be relied upon when it is
// false: all else is then empty. Whoever accepts the token has to check the rest, each time it is presented.
type Introspection struct {
	Active    bool // the JSON value true, nothing that looks like it
	Scopes    []string
	ClientID  string
	Username  string
	Subject   string
	Issuer    string
	Audience  []string
	TokenType string
	Expiry    time.Time // zero: not told
	NotBefore time.Time // zero: not told

	// Claims is the whole answer, raw: cnf and what else has no field.
	Claims json.RawMessage
}

// Introspect asks IntrospectURL about a token (RFC 7662). An error means that nothing is known of it.
func (c *Client) Introspect(ctx context.Context, token string) (*Introspection, error) {
	q, ans, err := c.post(ctx, "introspect", "IntrospectURL", c.IntrospectURL, append(make(params, 0, 4), param{"token", token}))
	if err != nil {
		return nil, err
	}
	if ans.status >= 300 {
		return nil, c.refused(q, ans)
	}
	in := &Introspection{}
	faulty := ""
	object := eachMember(ans.body, func(name, value []byte) {
		if !in.take(string(name), value) {
			faulty = string(name)
		}
	})
	switch {
	case !object:
		return nil, c.fail(q, ans, ProtocolError, errors.New("the answer is not a JSON object"))
	case !in.Active:
		return &Introspection{}, nil
	case faulty != "": // a restriction that cannot be understood cannot be kept either
		return nil, c.fail(q, ans, ProtocolError, fmt.Errorf("the answer's %s cannot be understood", faulty))
	}
	in.Claims = bytes.Clone(bytes.TrimSpace(ans.body))
	return in, nil
}

func (in *Introspection) take(name string, value []byte) (ok bool) {
	ok = true
	switch name {
	case "active":
		in.Active = string(value) == "true"
	case "scope":
		in.Scopes, ok = scopes(value)
	case "client_id":
		in.ClientID, ok = str(value)
	case "username":
		in.Username, ok = str(value)
	case "sub":
		in.Subject, ok = str(value)
	case "iss":
		in.Issuer, ok = str(value)
	case "token_type":
		in.TokenType, ok = str(value)
	case "aud":
		var one string
		if one, ok = str(value); ok {
			in.Audience = []string{one}
		} else {
			var list []string
			ok = json.Unmarshal(value, &list) == nil
			in.Audience = list
		}
	case "exp":
		in.Expiry, ok = date(value)
	case "nbf":
		in.NotBefore, ok = date(value)
	}
	return ok || null(value)
}

func str(raw []byte) (string, bool) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// date reads a NumericDate (RFC 7519 section 2).
func date(raw []byte) (time.Time, bool) {
	n, ok := number(raw)
	if !ok || n < 0 || n > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0), true
}

// String tells whether the token is active, for whom it is good and until when.
func (in Introspection) String() string {
	return fmt.Sprintf("introspection(active %v, scopes %q, client %q, expiry %s)",
		in.Active, in.Scopes, in.ClientID, in.Expiry.UTC().Format(time.RFC3339))
}

// Format prints [Introspection.String] for every verb.
func (in Introspection) Format(f fmt.State, _ rune) { fmt.Fprint(f, in.String()) }

// LogValue logs [Introspection.String].
func (in Introspection) LogValue() slog.Value { return slog.StringValue(in.String()) }
