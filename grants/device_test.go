package grants_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
)

// step is one scripted answer: a status with a body, a Retry-After, or no connection.
type step struct {
	status int
	body   string
	retry  string
	down   bool
}

func pending(code string) step { return step{status: 400, body: `{"error":"` + code + `"}`} }

// device is a transport that answers by steps and notes when it was asked.
type device struct {
	steps []step
	at    []time.Duration
	begin time.Time
}

func (d *device) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.begin.IsZero() {
		d.begin = time.Now()
	}
	d.at = append(d.at, time.Since(d.begin))
	s := d.steps[0]
	if len(d.steps) > 1 {
		d.steps = d.steps[1:]
	}
	if s.down {
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	}
	h := http.Header{}
	if s.retry != "" {
		h.Set("Retry-After", s.retry)
	}
	return &http.Response{StatusCode: s.status, Header: h, Body: io.NopCloser(strings.NewReader(s.body))}, nil
}

const deviceBody = `{"device_code":"DC","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device",
	"verification_uri_complete":"https://as.example/device?c=WDJB","expires_in":"60","interval":2}`

func TestDevice(t *testing.T) {
	t.Parallel()
	ok := step{status: 200, body: okBody}
	s := time.Second
	tests := []struct {
		name  string
		begin string
		steps []step
		polls []time.Duration // after the flow began
		class grants.Class    // "": a token
		code  string
	}{
		{"at once", deviceBody, []step{ok}, []time.Duration{2 * s}, "", ""},
		{"pending", deviceBody, []step{pending("authorization_pending"), pending("authorization_pending"), ok},
			[]time.Duration{2 * s, 4 * s, 6 * s}, "", ""},
		{"slow down stays", deviceBody, []step{pending("slow_down"), pending("authorization_pending"), ok},
			[]time.Duration{2 * s, 9 * s, 16 * s}, "", ""},
		{"without interval", `{"device_code":"DC","user_code":"U","verification_url":"https://as.example/"}`, []step{ok},
			[]time.Duration{5 * s}, "", ""},
		{"network errors back off", deviceBody, []step{{down: true}, {down: true}, pending("authorization_pending"), ok},
			[]time.Duration{2 * s, 6 * s, 14 * s, 16 * s}, "", ""},
		{"overloaded", deviceBody, []step{{status: 503, retry: "11"}, ok}, []time.Duration{2 * s, 13 * s}, "", ""},
		{"broken", deviceBody, []step{{status: 502}, ok}, []time.Duration{2 * s, 6 * s}, "", ""},
		{"denied", deviceBody, []step{pending("access_denied")}, []time.Duration{2 * s}, grants.OAuthError, "access_denied"},
		{"expired", deviceBody, []step{pending("expired_token")}, []time.Duration{2 * s}, grants.OAuthError, "expired_token"},
		{"wrong client", deviceBody, []step{pending("invalid_client")}, []time.Duration{2 * s}, grants.ConfigError, "invalid_client"},
		{"never", strings.Replace(deviceBody, `"60"`, `5`, 1), []step{pending("authorization_pending")},
			[]time.Duration{2 * s, 4 * s}, grants.GrantDead, ""},
		{"interval beyond the end", strings.Replace(deviceBody, `:2}`, `:1e300}`, 1), []step{ok}, nil, grants.GrantDead, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &device{steps: append([]step{{status: 200, body: tc.begin}}, tc.steps...)}
				c := &grants.Client{
					Provider: "p", DeviceURL: "https://as.example/d", TokenURL: "https://as.example/t", ID: "id", Auth: grants.None,
					HTTP: &http.Client{Transport: d},
				}
				f, err := c.Device(t.Context(), "read")
				if err != nil {
					t.Fatal(err)
				}
				if f.UserCode == "" || !strings.HasPrefix(f.VerificationURI, "https://as.example/") {
					t.Errorf("%q %q", f.UserCode, f.VerificationURI)
				}
				tok, err := c.DeviceToken(t.Context(), f)
				var e *grants.Error
				if tc.class == "" && (err != nil || tok.AccessToken != "AT") {
					t.Errorf("%v, %v", tok, err)
				} else if tc.class != "" && (!errors.As(err, &e) || e.Class != tc.class || e.Code != tc.code) {
					t.Errorf("%v, want %s %q", err, tc.class, tc.code)
				}
				if got := d.at[1:]; len(got) != len(tc.polls) {
					t.Errorf("polled at %v, want %v", got, tc.polls)
				} else {
					for i := range got {
						if got[i] != tc.polls[i] {
							t.Errorf("polled at %v, want %v", got, tc.polls)
							break
						}
					}
				}
			})
		})
	}
}

func TestDeviceLeavesWithContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &grants.Client{Provider: "p", TokenURL: "https://as.example/t", ID: "id", Auth: grants.None}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.DeviceToken(ctx, &grants.DeviceFlow{Provider: "p", DeviceCode: "DC", Expires: time.Now().Add(time.Hour)})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		_, err = c.DeviceToken(t.Context(), &grants.DeviceFlow{Provider: "other", DeviceCode: "DC", Expires: time.Now().Add(time.Hour)})
		var e *grants.Error
		if !errors.As(err, &e) || e.Class != grants.ConfigError {
			t.Errorf("another provider's flow: %v", err)
		}
	})
}

func TestDeviceAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		status     int
		class      grants.Class
	}{
		{"error", `{"error":"invalid_scope"}`, 400, grants.ConfigError},
		{"error with 200", `{"error":"invalid_client"}`, 200, grants.ConfigError},
		{"nothing", `{}`, 200, grants.ProtocolError},
		{"HTML", `<html>`, 200, grants.ProtocolError},
		{"script as URL", `{"device_code":"D","user_code":"U","verification_uri":"javascript:alert(1)"}`, 200, grants.ProtocolError},
		{"no user code", `{"device_code":"D","user_code":"\u0000","verification_uri":"https://as.example/"}`, 200, grants.ProtocolError},
	}
	for _, tc := range tests {
		s := answering(t, tc.status, tc.body)
		c := s.client()
		c.DeviceURL = s.URL + "/device"
		_, err := c.Device(t.Context())
		var e *grants.Error
		if !errors.As(err, &e) || e.Class != tc.class {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.class)
		}
	}
}

// A server cannot have itself polled without a pause.
func TestDeviceIntervalHasAFloor(t *testing.T) {
	t.Parallel()
	for _, told := range []string{`1e-9`, `0.001`, `"1e-300"`} {
		c := answering(t, 200, `{"device_code":"D","user_code":"U","verification_uri":"https://v.example","interval":`+told+`}`).client()
		c.DeviceURL = c.TokenURL
		f, err := c.Device(t.Context())
		if err != nil || f.Interval != time.Second {
			t.Errorf("%s: %v, %v", told, f.Interval, err)
		}
	}
}

// A hook that gives up on the granted token ends the wait: the code is spent, and the refresh token must not be lost.
func TestDeviceHookGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &device{steps: []step{{status: 200, body: okBody}, {status: 400, body: `{"error":"invalid_grant"}`}}}
		c := &grants.Client{
			Provider: "p", TokenURL: "https://as.example/token", ID: "id", Auth: grants.None, HTTP: &http.Client{Transport: d},
			Hooks: []grants.Hook{{Response: func(context.Context, *grants.Response) error { return errors.New("no") }}},
		}
		tok, err := c.DeviceToken(t.Context(), &grants.DeviceFlow{Provider: "p", DeviceCode: "DC", Expires: time.Now().Add(time.Minute)})
		if err == nil || tok.RefreshToken != "RT" || len(d.at) != 1 {
			t.Errorf("%q, %v, %d requests", tok.RefreshToken, err, len(d.at))
		}
	})
}
