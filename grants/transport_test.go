package grants_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

func TestRedirectsAreRefused(t *testing.T) {
	t.Parallel()
	evil := answering(t, 200, okBody)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", evil.URL+"/token?leak=marker#frag")
			w.WriteHeader(status)
		})
		c := s.client()
		c.TokenURL += "?key=marker"
		rec := &store.Record{Token: store.Token{AccessToken: "AT", RefreshToken: "RT"}}
		_, err1 := c.Password(t.Context(), "u", "p")
		_, err2 := c.Refresh(t.Context(), rec)
		c.IntrospectURL, c.DeviceURL, c.PARURL, c.Issuer = s.URL+"/i?key=marker", s.URL+"/d?key=marker", s.URL+"/p?key=marker", s.URL
		_, err3 := c.Introspect(t.Context(), "AT")
		_, err4 := c.Device(t.Context())
		_, err5 := c.AuthorizationCode(t.Context(), nil)
		_, err6 := grants.Discover(t.Context(), c)
		all := []error{err1, err2, err3, err4, err5, err6, c.Revoke(t.Context(), rec), c.UserInfo(t.Context(), rec.Token, new(any))}
		if n := len(s.requests()); n != len(all) {
			t.Fatalf("%d requests, want %d", n, len(all))
		}
		for _, err := range all {
			var e *grants.Error
			if !errors.As(err, &e) || e.Class != grants.ProtocolError || e.Outcome() != keeper.ConfigError {
				t.Fatalf("%d: %v", status, err)
			}
			if !strings.Contains(err.Error(), evil.URL+"/token") || !strings.Contains(err.Error(), s.URL) || strings.Contains(err.Error(), "marker") {
				t.Errorf("%d: %v, want both URLs without their queries", status, err)
			}
		}
	}
	if n := len(evil.requests()); n != 0 {
		t.Errorf("the other host saw %d requests", n)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Nothing sent is RetryLater, sent without an answer is Unknown, and a transport that says nothing is not believed.
func TestSentOrNot(t *testing.T) {
	t.Parallel()
	dial := func(err error) http.RoundTripper {
		return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	broken := httptest.NewTLSServer(http.NotFoundHandler())
	broken.Config.ErrorLog = quiet
	t.Cleanup(broken.Close)
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = quiet
	old.StartTLS()
	t.Cleanup(old.Close)
	h2 := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("HTTP/%d", r.ProtoMajor)
		}
		panic(http.ErrAbortHandler)
	}))
	h2.EnableHTTP2 = true
	h2.StartTLS()
	t.Cleanup(h2.Close)
	silent := scripted(t, func(w http.ResponseWriter, _ *http.Request) { reset(t, w) })
	tests := []struct {
		name string
		url  string
		via  http.RoundTripper
		want keeper.Outcome
	}{
		{"dial", "https://as.example", dial(&net.OpError{Op: "dial", Err: errors.New("refused")}), keeper.RetryLater},
		{"dial, any error", "https://as.example", dial(errors.New("no route")), keeper.RetryLater},
		{"DNS", "https://as.example", dial(&net.DNSError{Err: "no such host"}), keeper.RetryLater},
		{"certificate", broken.URL, &http.Transport{}, keeper.RetryLater},
		{"TLS 1.1", old.URL, old.Client().Transport, keeper.RetryLater},
		{"reset after the request", silent.URL, &http.Transport{}, keeper.Unknown},
		{"reset in HTTP/2", h2.URL, h2.Client().Transport, keeper.Unknown},
		{"transport without traces", "https://as.example", roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("lost")
		}), keeper.Unknown},
		{"the same, dialing", "https://as.example", roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: "https://as.example/?marker", Err: &net.OpError{Op: "dial", Err: errors.New("x")}}
		}), keeper.RetryLater},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := &grants.Client{TokenURL: tc.url + "/token?marker", ID: "id", Secret: "s", HTTP: &http.Client{Transport: tc.via}}
			_, err := c.Password(t.Context(), "u", "p")
			var e *grants.Error
			if !errors.As(err, &e) || e.Outcome() != tc.want {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if strings.Contains(err.Error(), "marker") {
				t.Errorf("%v holds the URL's query", err)
			}
			if tc.url == silent.URL {
				silent.only(t)
			}
		})
	}
}

// http.Transport repeats some requests by itself when a kept-alive connection breaks. None of ours.
func TestNothingIsRepeated(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*grants.Client){
		"plain": func(*grants.Client) {},
		"idempotency key": func(c *grants.Client) {
			c.Extra = map[string]grants.Extra{"": {Header: http.Header{"idempotency-key": {"k"}}}}
		},
		"the other one": func(c *grants.Client) {
			c.Extra = map[string]grants.Extra{"": {Header: http.Header{"x-idempotency-key": {"k"}}}}
		},
		"GET": func(c *grants.Client) {
			c.Hooks = []grants.Hook{{Request: func(_ context.Context, r *grants.Request) error {
				r.Method = http.MethodGet
				return nil
			}}}
		},
	}
	for name, change := range tests {
		var s *script
		s = scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			if len(s.requests()) > 1 {
				reset(t, w)
				return
			}
			w.Write([]byte(okBody))
		})
		c := s.client()
		change(c)
		_, err1 := c.Password(t.Context(), "u", "p")
		_, err2 := c.Password(t.Context(), "u", "p")
		var e *grants.Error
		if err1 != nil || !errors.As(err2, &e) || e.Outcome() != keeper.Unknown {
			t.Errorf("%s: %v, %v", name, err1, err2)
		}
		if n := len(s.requests()); n != 2 {
			t.Errorf("%s: %d requests, want 2", name, n)
		}
	}
}

// A code is posted once, whatever becomes of the answer: it may have been used.
func TestCodeIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"reset":        func(w http.ResponseWriter, _ *http.Request) { reset(t, w) },
		"gateway":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"busy":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"unauthorized": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"dead": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			w.Write([]byte(`{"error":"invalid_grant"}`))
		},
	} {
		s := scripted(t, answer)
		c := s.client()
		f, err := c.AuthorizationCode(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exchange(t.Context(), f, url.Values{"code": {"C"}, "state": {f.State}}); err == nil || len(s.requests()) != 1 {
			t.Errorf("%s: %v after %d requests", name, err, len(s.requests()))
		}
	}
}

// A kept-alive connection that turns out dead before anything is written costs nothing: another one is taken.
func TestDeadConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	var broken atomic.Bool
	c := s.client()
	c.HTTP = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &mute{Conn: conn, broken: &broken, first: !broken.Load()}, err
	}}}
	_, err1 := c.Password(t.Context(), "u", "p")
	broken.Store(true)
	_, err2 := c.Password(t.Context(), "u", "p")
	if n := len(s.requests()); err1 != nil || err2 != nil || n != 2 {
		t.Errorf("%v, %v, %d requests", err1, err2, n)
	}
}

// mute is a connection on which, from some time on, nothing can be written.
type mute struct {
	net.Conn
	broken *atomic.Bool
	first  bool
}

func (m *mute) Write(b []byte) (int, error) {
	if m.first && m.broken.Load() {
		return 0, net.ErrClosed
	}
	return m.Conn.Write(b)
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		dribble := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(slow{r.Context()})}, nil
		})
		tests := []struct {
			name    string
			via     http.RoundTripper
			timeout time.Duration
			http    time.Duration
			want    time.Duration
		}{
			{"default", hang, 0, 0, 10 * time.Second},
			{"set", hang, time.Second, 0, time.Second},
			{"of the http.Client", hang, 0, 3 * time.Second, 3 * time.Second},
			{"dribbling body", dribble, 0, 0, 10 * time.Second},
		}
		for _, tc := range tests {
			c := &grants.Client{
				TokenURL: "https://as.example/token", ID: "id", Secret: "s", Timeout: tc.timeout,
				HTTP: &http.Client{Transport: tc.via, Timeout: tc.http},
			}
			begin := time.Now()
			_, err := c.Password(t.Context(), "u", "p")
			var e *grants.Error
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || e.Outcome() != keeper.Unknown {
				t.Errorf("%s: %v", tc.name, err)
			}
			if took := time.Since(begin); took != tc.want {
				t.Errorf("%s: took %v, want %v", tc.name, took, tc.want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c := &grants.Client{TokenURL: "https://as.example/token", ID: "id", Secret: "s", HTTP: &http.Client{Transport: hang}}
		_, err := c.Password(ctx, "u", "p")
		var e *grants.Error
		if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Outcome() != keeper.RetryLater {
			t.Errorf("cancelled before: %v", err)
		}
	})
}

// slow is a body of one byte a second that ends with its request's context.
type slow struct{ ctx context.Context }

func (s slow) Read(b []byte) (int, error) {
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(time.Second):
		b[0] = ' '
		return 1, nil
	}
}

// The URL goes out byte for byte.
func TestURLsAreKept(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/oauth2/token/", "/oauth/token", "//double//", "/a%2Fb/", "/a/../b", "/t?x=%20y&z", "/%7Eme/;v=1", "/?"} {
		s := answering(t, 200, okBody)
		c := s.client()
		c.TokenURL = s.URL + path
		if _, err := c.Password(t.Context(), "u", "p"); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := s.only(t).URI; got != path {
			t.Errorf("sent to %q, want %q", got, path)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := scripted(t, withNonce("N1", 200, okBody))
	c := s.client()
	c.DPoP, c.Auth, c.Secret, c.Signer = &grants.DPoP{Key: signer("ES256")}, grants.PrivateKeyJWT, "", signer("ES256")
	done := make(chan error)
	for range 20 {
		go func() {
			_, err := c.Password(context.Background(), "u", "p")
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
