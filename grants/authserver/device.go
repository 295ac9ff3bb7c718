package authserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

const (
	purposeDevice   = "device"
	purposeUserCode = "user_code"

	deviceTTL    = 10 * time.Minute // of both codes
	pollInterval = 5 * time.Second  // at first, and so much more each time it is not kept (RFC 8628 section 3.5)
)

// device is the state of a device code's record, and with Code alone that of a user code's.
type device struct {
	state
	Code     string        `json:"device,omitempty"` // of a user code: the hash of the device code it was given with
	Until    time.Time     `json:"until,omitzero"`
	Interval time.Duration `json:"interval,omitempty"`
	Polled   time.Time     `json:"polled,omitzero"`
	Decision string        `json:"decision,omitempty"` // the page's answer: allow or deny
}

func deviceOf(rec *store.Record) (device, error) {
	var d device
	if err := json.Unmarshal(rec.Token.Extra, &d); err != nil {
		return d, errNotOurs
	}
	return d, nil
}

func (d device) raw() json.RawMessage { return encoded(d) }

// DeviceAuthorization returns the device authorization endpoint (RFC 8628 section 3.1) for the clients of these dialects,
// for all clients when none is given. Both codes it gives live for 10 minutes; [Server.DevicePage] takes the user code, and
// [Server.Token] the other.
func (s *Server) DeviceAuthorization(dialects ...*Dialect) http.Handler {
	m := s.mount(dialects)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a *deviceAnswer
		req, err := s.admit(w, r, m)
		if err == nil {
			a, err = s.authorizeDevice(r.Context(), req)
		}
		s.log(r.Context(), "device authorization request", req, err)
		if err != nil {
			failureOf(err).write(w)
			return
		}
		writeJSON(w, http.StatusOK, a)
	})
}

// deviceAnswer is RFC 8628 section 3.2's.
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	Place      string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
}

func (s *Server) authorizeDevice(ctx context.Context, req *request) (*deviceAnswer, error) {
	c := req.client
	if !c.may(grantDevice) {
		return nil, fail(http.StatusBadRequest, "unauthorized_client", "the client may not use the device_code grant")
	}
	scopes, err := c.grantable(req.params.get("scope"))
	if err != nil {
		return nil, err
	}
	now, h := s.now(), store.NewCredential(purposeDevice)
	rec := &store.Record{
		ID: rand.Text(), Provider: s.issuer, Created: now, Updated: now,
		Expires: now.Add(2 * deviceTTL), // beyond its life, so that the device can be told that it is over
		Token: store.Token{Scopes: scopes, Extra: device{
			state: state{Client: c.ID}, Until: now.Add(deviceTTL), Interval: pollInterval,
		}.raw()},
	}
	if _, err := s.tokens.Put(ctx, h, rec); err != nil {
		return nil, err
	}
	code, err := s.mintUserCode(ctx, c, h)
	if err != nil {
		return nil, err
	}
	return &deviceAnswer{
		DeviceCode: h.Reveal(), UserCode: code, Place: s.verification,
		Complete:  withQuery(s.verification, url.Values{"user_code": {code}}),
		ExpiresIn: seconds(deviceTTL), Interval: seconds(pollInterval),
	}, nil
}

// mintUserCode creates the user code that leads to the device code h, and returns it as it is shown.
func (s *Server) mintUserCode(ctx context.Context, c *client, h store.Handle) (string, error) {
	now, sum := s.now(), h.Sum()
	rec := &store.Record{
		ID: rand.Text(), Provider: s.issuer, Created: now, Updated: now, Expires: now.Add(deviceTTL),
		Token: store.Token{Extra: device{state: state{Client: c.ID}, Code: encodeSum(sum)}.raw()},
	}
	for range 5 {
		code := newUserCode()
		_, err := s.tokens.Put(ctx, store.Credential(purposeUserCode, code), rec)
		if !errors.Is(err, store.ErrExists) { // two devices at once: rare, but there are 34 bits only
			return code[:4] + "-" + code[4:], err
		}
	}
	return "", errors.New("authserver: no user code is free")
}

// userCodeLetters make no words, and none looks like another (RFC 8628 section 6.1).
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

func newUserCode() string {
	var code []byte
	for len(code) < 8 {
		var b [16]byte
		rand.Read(b[:])
		for _, n := range b {
			if n < 240 && len(code) < 8 { // 240 is a multiple of 20
				code = append(code, userCodeLetters[n%20])
			}
		}
	}
	return string(code)
}

// readUserCode returns a user code as it is stored, "" if nobody could have been given this one. Case and what people
// put between the letters do not count.
func readUserCode(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	code := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, strings.ToUpper(typed))
	if len(code) != 8 {
		return ""
	}
	return code
}

// deviceToken answers a device that polls (RFC 8628 section 3.4).
func (s *Server) deviceToken(ctx context.Context, req *request) (*pair, error) {
	text := req.params.get("device_code")
	if text == "" {
		return nil, invalidRequest("device_code is missing")
	}
	for range 10 { // a lost race: with the page, or with another poll
		p, err := s.poll(ctx, req, store.Credential(purposeDevice, text))
		if !lost(err) {
			return p, err
		}
	}
	return nil, errors.New("authserver: device: too many conflicts")
}

func (s *Server) poll(ctx context.Context, req *request, h store.Handle) (*pair, error) {
	c := req.client
	rec, err := s.tokens.Get(ctx, h)
	if errors.Is(err, store.ErrNotFound) {
		return nil, invalidGrant("the device_code is unknown")
	}
	if err != nil {
		return nil, err
	}
	d, err := deviceOf(rec)
	now := s.now()
	switch {
	case err != nil:
		return nil, err
	case d.Client != c.ID:
		return nil, invalidGrant("the device_code is unknown")
	case !d.Spent.IsZero():
		return nil, invalidGrant("the device_code was used before")
	case d.Decision == "deny":
		return nil, fail(http.StatusBadRequest, "access_denied", "the user denied the request")
	case !now.Before(d.Until):
		return nil, fail(http.StatusBadRequest, "expired_token", "the device_code has expired: start again")
	case d.Decision == "":
		return nil, s.pending(ctx, rec, d)
	}
	p, err := s.begin(ctx, c, login{subject: rec.Subject, auth: d.Auth, key: req.key}, rec.Token.Scopes, c.may(grantRefresh))
	if err != nil {
		return nil, err
	}
	if err := s.spend(ctx, rec, &d.state, p); err != nil {
		if lost(err) {
			s.discard(ctx, p)
		}
		return nil, err
	}
	return p, nil
}

// pending tells a device to go on polling, and notes that it has.
func (s *Server) pending(ctx context.Context, rec *store.Record, d device) error {
	now := s.now()
	f := fail(http.StatusBadRequest, "authorization_pending", "the user has not answered yet")
	if now.Before(d.Polled.Add(d.Interval)) {
		d.Interval += pollInterval
		f = fail(http.StatusBadRequest, "slow_down", "wait 5 seconds more between requests than before")
	}
	d.Polled = now
	rec.Token.Extra, rec.Updated = d.raw(), now
	if _, err := s.tokens.Put(ctx, rec.Handle, rec); err != nil {
		return err
	}
	return f
}
