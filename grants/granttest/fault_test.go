package granttest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/granttest"
)

func text(s string) func(string) string { return func(string) string { return s } }

// What the client makes of each fault, and what has become of the refresh token at the provider.
func TestFaults(t *testing.T) {
	t.Parallel()
	const ok = grants.Class("")
	for _, tt := range []struct {
		name   string
		fault  granttest.Fault
		spent  bool // the refresh token, at the provider
		status int  // as logged
		want   grants.Class
	}{
		{"none", granttest.Fault{}, true, 200, ok},
		{"slow", granttest.Fault{Before: time.Millisecond, After: time.Millisecond}, true, 200, ok},
		{"too slow, before", granttest.Fault{Before: time.Hour}, false, 0, grants.UnknownOutcome},
		{"too slow, after", granttest.Fault{After: time.Hour}, true, 0, grants.UnknownOutcome},
		{"down", granttest.Fault{Ignore: true}, false, 503, grants.RetryLater},
		{"500 before", granttest.Fault{Ignore: true, Status: 500}, false, 500, grants.UnknownOutcome},
		{"500 after", granttest.Fault{Status: 500}, true, 500, grants.UnknownOutcome},
		{"502 page after", granttest.Fault{Status: 502, Body: text("<html>bad gateway</html>")}, true, 502, grants.UnknownOutcome},
		{"503 after, a lie", granttest.Fault{Status: 503}, true, 503, grants.RetryLater},
		{"429", granttest.Fault{Ignore: true, Status: 429}, false, 429, grants.RetryLater},
		{"dropped before", granttest.Fault{Ignore: true, Drop: true}, false, 0, grants.UnknownOutcome},
		{"dropped after", granttest.Fault{Drop: true}, true, 0, grants.UnknownOutcome},
		{"truncated", granttest.Fault{Truncate: true}, true, 200, grants.UnknownOutcome},
		{"truncated to nothing", granttest.Fault{Truncate: true, Body: text("")}, true, 200, grants.UnknownOutcome},
		{"empty", granttest.Fault{Body: text("")}, true, 200, grants.UnknownOutcome},
		{"a page", granttest.Fault{Body: text("<html>please sign in</html>")}, true, 200, grants.UnknownOutcome},
		{"no token", granttest.Fault{Body: text(`{"token_type":"Bearer"}`)}, true, 200, grants.ProtocolError},
		{"2 MiB", granttest.Fault{Body: text(`{"access_token":"` + strings.Repeat("x", 2<<20) + `"}`)}, true, 200, grants.TooLarge},
		{"odd spelling", granttest.Fault{Body: func(body string) string {
			return strings.Replace(body, `"expires_in":3600`, `"expires_in":" 3600 "`, 1)
		}}, true, 200, ok},
		{"wrong refusal", granttest.Fault{Ignore: true, Status: 400, Body: text(`{"error":"invalid_grant"}`)}, false, 400, grants.GrantDead},
		{"redirect", granttest.Fault{Ignore: true, Status: 302, Header: http.Header{"location": {"/elsewhere"}}}, false, 302, grants.ProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := granttest.New(t)
			p.Rotate(granttest.NoGrace)
			first := login(t, p)
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			if max(tt.fault.Before, tt.fault.After) > time.Second {
				go func() {
					await(t, p, func(r granttest.Request) bool { return r.Done == tt.spent })
					giveUp()
				}()
			}

			p.Next("refresh_token", tt.fault)
			tok, err := p.Client.Refresh(ctx, record(first))
			class := ok
			if e := (*grants.Error)(nil); errors.As(err, &e) {
				class = e.Class
			}
			if class != tt.want || (err == nil) != (tt.want == ok) {
				t.Errorf("class %q, want %q: %v", class, tt.want, err)
			}
			if tt.want == ok && (tok.RefreshToken == "" || !lives(t, p, tok.AccessToken) || time.Until(tok.Expiry) < 59*time.Minute) {
				t.Errorf("no good token: %v", tok)
			}
			if spent := !lives(t, p, first.RefreshToken); spent != tt.spent {
				t.Errorf("refresh token spent: %v, want %v", spent, tt.spent)
			}
			all := p.Requests("refresh_token")
			if len(all) != 1 || all[0].Done != tt.spent || all[0].Status != tt.status {
				t.Errorf("log %v, want one request, carried out %v, status %d", all, tt.spent, tt.status)
			}
		})
	}
}

func TestRetryAfterIsTold(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	p.Next("client_credentials", granttest.Fault{Ignore: true, Header: http.Header{"Retry-After": {"7"}}})
	_, err := p.Client.ClientCredentials(t.Context())
	if e := (*grants.Error)(nil); !errors.As(err, &e) || e.RetryAfter() != 7*time.Second {
		t.Errorf("got %v, want to be told to wait 7 s", err)
	}
}

// Faults happen one each, in order, to their kind only; what is left to Always happens in between and after.
func TestOrder(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	p.Next("client_credentials", granttest.Fault{Ignore: true, Status: 501}, granttest.Fault{})
	p.Next("client_credentials", granttest.Fault{Ignore: true, Status: 502})
	p.Always("client_credentials", granttest.Fault{Ignore: true, Status: 504})
	login(t, p) // another kind
	for i, want := range []int{501, 0, 502, 504, 504} {
		_, err := p.Client.ClientCredentials(t.Context())
		status := 0
		if e := (*grants.Error)(nil); errors.As(err, &e) {
			status = e.Status
		}
		if status != want {
			t.Errorf("request %d: status %d, want %d", i, status, want)
		}
	}
	p.Always("client_credentials", granttest.Fault{})
	if _, err := p.Client.ClientCredentials(t.Context()); err != nil {
		t.Errorf("after the end of Always: %v", err)
	}
}

// Every endpoint can fail, not only the token endpoint.
func TestEveryKind(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	tok, other := login(t, p), login(t, p)
	down := granttest.Fault{Ignore: true}
	for _, kind := range []string{"revoke", "introspect", "userinfo", "discovery", "authorization_code", "password"} {
		p.Next(kind, down)
	}
	ctx := t.Context()
	bare := &grants.Client{Issuer: p.URL, ID: "app", HTTP: p.Client.HTTP}
	flow, err := p.Client.AuthorizationCode(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	callback := query(t, p.Allow(flow.URL, "alice"))
	for kind, do := range map[string]func() error{
		"revoke":             func() error { return p.Client.Revoke(ctx, record(other)) },
		"introspect":         func() error { _, err := p.Client.Introspect(ctx, tok.AccessToken); return err },
		"userinfo":           func() error { var who struct{ Sub string }; return p.Client.UserInfo(ctx, tok, &who) },
		"discovery":          func() error { _, err := grants.Discover(ctx, bare); return err },
		"password":           func() error { _, err := p.Client.Password(ctx, "bob", granttest.Password); return err },
		"authorization_code": func() error { _, err := p.Client.Exchange(ctx, flow, callback); return err },
	} {
		for _, want := range []bool{false, true} {
			if err := do(); (err == nil) != want {
				t.Errorf("%s: %v, want success: %v", kind, err, want)
			}
		}
	}
}

// A test that scripts a fault which never happens has tested nothing.
func TestUnmetFaultFailsTheTest(t *testing.T) {
	t.Parallel()
	for _, meet := range []bool{false, true} {
		fake := &fakeT{TB: t}
		p := granttest.New(fake)
		p.Next("refresh_tokens", granttest.Fault{Drop: true})
		if meet {
			p.Client.Extension(t.Context(), "refresh_tokens", nil) // it is there to meet the fault
		}
		for _, f := range fake.cleanups {
			f()
		}
		if failed := len(fake.errors) > 0; failed == meet {
			t.Errorf("met: %v, failures: %q", meet, fake.errors)
		}
	}
}

// What goes over the wire, where a client that reads leniently cannot tell.
func TestWire(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	for _, tt := range []struct {
		name   string
		fault  granttest.Fault
		body   string
		broken bool
	}{
		{"another status has no body", granttest.Fault{Status: 500}, "", false},
		{"unless one is made", granttest.Fault{Status: 500, Body: text("abcd")}, "abcd", false},
		{"another type", granttest.Fault{Header: http.Header{"content-type": {"text/html"}}, Body: text("a")}, "a", false},
		{"half a body", granttest.Fault{Body: text("abcd"), Truncate: true}, "ab", true},
		{"half of nothing", granttest.Fault{Body: text(""), Truncate: true}, "", true},
	} {
		p.Next("discovery", tt.fault)
		resp, err := p.Client.HTTP.Get(p.URL + "/.well-known/oauth-authorization-server")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != tt.body || (err != nil) != tt.broken {
			t.Errorf("%s: body %q, error %v", tt.name, body, err)
		}
		if kinds := resp.Header.Values("Content-Type"); len(kinds) != 1 || (kinds[0] == "text/html") != (tt.fault.Header != nil) {
			t.Errorf("%s: Content-Type %q", tt.name, kinds)
		}
	}
}

// A provider does not notice that its client has given up.
func TestCarriedOutForNobody(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	tok := login(t, p)
	ctx, giveUp := context.WithCancel(t.Context())
	go func() {
		await(t, p, func(granttest.Request) bool { return true })
		giveUp()
	}()
	p.Next("refresh_token", granttest.Fault{Before: 50 * time.Millisecond})
	if _, err := p.Client.Refresh(ctx, record(tok)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	await(t, p, func(r granttest.Request) bool { return r.Done })
	if lives(t, p, tok.RefreshToken) {
		t.Error("the refresh token was not spent")
	}
}

// await returns when a refresh has arrived and come so far.
func await(t *testing.T, p *granttest.Provider, far func(granttest.Request) bool) {
	t.Helper()
	for t.Context().Err() == nil {
		if all := p.Requests("refresh_token"); len(all) > 0 && far(all[0]) {
			return
		}
		runtime.Gosched()
	}
}
