package grants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// DeviceFlow is a login on another device under way (RFC 8628): show the user UserCode and VerificationURI, then call
// [Client.DeviceToken]. It prints redacted, because whoever knows the user code can try to have it approved.
type DeviceFlow struct {
	// What the user is shown: where to go, and what to enter there.
	UserCode        string
	VerificationURI string
	// VerificationURIComplete includes the user code, for a QR code; may be empty.
	VerificationURIComplete string

	Provider   string
	DeviceCode string // the secret that DeviceToken polls with
	Scopes     []string
	Interval   time.Duration // between polls
	Expires    time.Time
}

const (
	deviceInterval = 5 * time.Second // RFC 8628 section 3.2
	deviceFloor    = time.Second     // whatever the server says
	deviceLife     = 10 * time.Minute
	deviceSlowDown = 5 * time.Second // section 3.5
	deviceBackoff  = time.Minute
)

// Device begins a login on another device at DeviceURL (RFC 8628 section 3.1). No scopes means those of the Client.
func (c *Client) Device(ctx context.Context, scopes ...string) (*DeviceFlow, error) {
	scopes = c.scopes(scopes)
	if c.OwnAccount {
		return nil, c.misconfigured(&call{what: "device"}, errOwnAccount)
	}
	p := make(params, 0, 4).scope(scopes)
	if c.ID != "" {
		p = p.set("client_id", c.ID) // section 3.1 asks for it only of public clients, many servers of all
	}
	q, ans, err := c.post(ctx, "device", "DeviceURL", c.DeviceURL, p)
	if err != nil {
		return nil, err
	}
	if ans.status >= 300 {
		return nil, c.refused(q, ans)
	}
	f := &DeviceFlow{
		Provider: c.provider(), Scopes: slices.Clone(scopes), Interval: deviceInterval, Expires: ans.asked.Add(deviceLife),
	}
	object := eachMember(ans.body, func(name, value []byte) {
		switch string(name) {
		case "device_code":
			f.DeviceCode = text(value)
		case "user_code":
			f.UserCode = bounded(text(value), 100)
		case "verification_uri", "verification_url":
			f.VerificationURI = webURL(text(value))
		case "verification_uri_complete":
			f.VerificationURIComplete = webURL(text(value))
		case "expires_in":
			if at, life := relative(value, ans.asked); life == told {
				f.Expires = at
			}
		case "interval":
			if n, ok := number(value); ok && n > 0 {
				f.Interval = max(time.Duration(min(n, maxLife.Seconds())*float64(time.Second)), deviceFloor)
			}
		}
	})
	if !object || f.DeviceCode == "" || f.UserCode == "" || f.VerificationURI == "" {
		e := c.refused(q, ans)
		if e.Code == "" {
			e = c.fail(q, ans, ProtocolError, errors.New("device_code, user_code or verification_uri is missing"))
		}
		return nil, e
	}
	return f, nil
}

// webURL returns a URL that a user can be shown, or nothing.
func webURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || !visible(s) {
		return ""
	}
	return s
}

// DeviceToken waits until the user has decided, and returns the token (RFC 8628 section 3.4). It polls no faster than
// the server allows, slows down when told so, survives lost connections and overloaded servers, and gives up when ctx
// ends or the code has expired.
func (c *Client) DeviceToken(ctx context.Context, f *DeviceFlow) (store.Token, error) {
	q := &call{what: deviceGrant}
	if f == nil || f.DeviceCode == "" || f.Provider != c.provider() {
		return store.Token{}, c.misconfigured(q, errors.New("the flow did not begin at this provider"))
	}
	interval := f.Interval
	if interval <= 0 {
		interval = deviceInterval
	}
	for wait := interval; ; {
		if err := c.pause(ctx, wait, f.Expires); errors.Is(err, errDeviceExpired) {
			return store.Token{}, c.fail(q, nil, GrantDead, err)
		} else if err != nil {
			return store.Token{}, c.fail(q, nil, RetryLater, fmt.Errorf("the user has not decided yet: %w", err))
		}
		p := make(params, 0, 6)
		p = append(p, param{"grant_type", deviceGrant}, param{"device_code", f.DeviceCode})
		tok, err := c.token(ctx, p, f.Scopes)
		var e *Error
		if err == nil || !errors.As(err, &e) || e.Class != RetryLater && e.Class != UnknownOutcome || tok.RefreshToken != "" {
			return tok, err // with a refresh token the code is spent, though a hook gave up
		}
		switch e.Code {
		case AuthorizationPending:
			wait = interval
		case SlowDown:
			interval += deviceSlowDown
			wait = interval
		default: // section 3.5: reduce the polling frequency when the connection fails
			wait = min(2*wait, max(deviceBackoff, interval))
		}
		wait = max(wait, e.RetryAfter())
	}
}

var errDeviceExpired = errors.New("the user did not decide in time")

// pause sleeps, but not beyond the end of ctx or of the code.
func (c *Client) pause(ctx context.Context, d time.Duration, end time.Time) error {
	if c.now().Add(d).After(end) {
		return errDeviceExpired
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// String tells provider and expiry, never a code.
func (f DeviceFlow) String() string {
	return fmt.Sprintf("device flow(at %q, until %s)", shownName(f.Provider), f.Expires.UTC().Format(time.RFC3339))
}

// Format prints [DeviceFlow.String] for every verb.
func (f DeviceFlow) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.String()) }

// LogValue logs [DeviceFlow.String].
func (f DeviceFlow) LogValue() slog.Value { return slog.StringValue(f.String()) }
