package granttest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/granttest"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// The ready client is a good one, and finds the provider by its issuer too.
func TestClient(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	if err := p.Client.Validate(); err != nil {
		t.Error(err)
	}
	found, err := grants.Discover(t.Context(), &grants.Client{Issuer: p.URL, ID: "app", HTTP: p.Client.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{
		{found.AuthorizeURL, p.Client.AuthorizeURL}, {found.TokenURL, p.Client.TokenURL}, {found.RevokeURL, p.Client.RevokeURL},
		{found.IntrospectURL, p.Client.IntrospectURL}, {found.UserInfoURL, p.Client.UserInfoURL},
		{found.DeviceURL, p.Client.DeviceURL}, {found.PARURL, p.URL + "/par"},
	} {
		if pair[0] != pair[1] || pair[0] == "" {
			t.Errorf("discovered %q, the client has %q", pair[0], pair[1])
		}
	}
}

func TestCodeFlow(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	p.Client.RedirectURI = "http://127.0.0.1:49152/callback" // any port
	flow, err := p.Client.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	callback := p.Allow(flow.URL, "bob")
	if !strings.HasPrefix(callback, p.Client.RedirectURI+"?") {
		t.Errorf("the callback goes to %q", callback)
	}
	tok, err := p.Client.Exchange(t.Context(), flow, query(t, callback))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := p.Server().Verify(t.Context(), tok.AccessToken)
	if err != nil || rec.Subject != "bob" {
		t.Errorf("the token is %v's (%v), want bob's", rec, err)
	}
	if all := p.Requests(); len(all) != 3 || len(p.Requests("authorize")) != 2 || len(p.Requests("authorization_code", "refresh_token")) != 1 {
		t.Errorf("log %v, want the page, its answer and the exchange", all)
	}
}

// A client that signs, and pushes its requests.
func TestPushedAndSigned(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner("ES256", "k", key)
	if err != nil {
		t.Fatal(err)
	}
	p := granttest.New(t)
	c := p.Register(authserver.Client{ID: "signs", Keys: jose.KeySet{signer.Key()}})
	c.Signer, c.PARURL = signer, p.URL+"/par"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	flow, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exchange(t.Context(), flow, query(t, p.Allow(flow.URL, "alice"))); err != nil {
		t.Error(err)
	}
	if pushed := p.Requests("par"); len(pushed) != 1 || pushed[0].Form.Get("response_type") != "code" {
		t.Errorf("pushed %v", pushed)
	}
}

func TestDeny(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	flow, err := p.Client.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Client.Exchange(t.Context(), flow, query(t, p.Deny(flow.URL, "alice")))
	if e := (*grants.Error)(nil); !errors.As(err, &e) || e.Code != grants.AccessDenied {
		t.Errorf("got %v, want access_denied", err)
	}
}

// The user connects a device, or does not.
func TestDevice(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	for _, allow := range []bool{true, false} {
		flow, err := p.Client.Device(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		decide := p.Deny
		if allow {
			decide = p.Allow
		}
		if to := decide(flow.VerificationURIComplete, "bob"); to != "" {
			t.Errorf("the device page leads to %q", to)
		}
		flow.Interval = time.Millisecond // the user was quick
		tok, err := p.Client.DeviceToken(t.Context(), flow)
		if (err == nil) != allow || (allow && !lives(t, p, tok.AccessToken)) {
			t.Errorf("allowed %v: %v, %v", allow, tok, err)
		}
	}
	if n := len(p.Requests("device")); n != 2 {
		t.Errorf("%d device requests, want 2", n)
	}
}

// With the scope openid there is an ID token, signed by the published key; with an audience so are access tokens.
func TestSigned(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	c := p.Register(authserver.Client{
		ID: "signed", Secret: "s", Scopes: []string{"openid"}, Dialect: &authserver.Dialect{Audience: []string{"https://api.example"}},
	})
	flow, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := c.Exchange(t.Context(), flow, query(t, p.Allow(flow.URL, "bob")))
	if err != nil {
		t.Fatal(err)
	}
	for audience, compact := range map[string]string{"signed": tok.IDToken, "https://api.example": tok.AccessToken} {
		v := jose.Verifier{
			Keys: c.Keys, Algorithms: []string{"ES256"}, Issuer: p.URL, Audience: []string{audience}, Types: []string{"JWT", "at+jwt"},
		}
		if claims, err := v.Verify(t.Context(), compact); err != nil || claims.Subject != "bob" {
			t.Errorf("token for %s: %v, %v", audience, claims, err)
		}
	}
}

// What the client is to be told without a page is handed on; what only the user is told fails the test.
func TestBrowserRefused(t *testing.T) {
	t.Parallel()
	fake := &fakeT{TB: t}
	p := granttest.New(fake)
	defer p.Close()
	flow, err := p.Client.AuthorizationCode(t.Context(), &grants.FlowOptions{Scopes: []string{"everything"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := query(t, p.Allow(flow.URL, "alice")).Get("error"); got != "invalid_scope" {
		t.Errorf("error %q, want invalid_scope", got)
	}
	p.Next("authorize", granttest.Fault{Ignore: true}, granttest.Fault{}, granttest.Fault{Drop: true}, granttest.Fault{Drop: true})
	p.Next("authorize", granttest.Fault{Truncate: true})
	readable := strings.Replace(flow.URL, "everything", "read", 1)
	for _, tt := range []struct{ url, username, failure string }{
		{readable, "alice", "503"},
		{readable, "alice", "no answer"}, // to the form
		{readable, "alice", "no answer"}, // to the first request
		{readable, "alice", "no whole page"},
		{strings.Replace(flow.URL, "client_id=app", "client_id=nobody", 1), "alice", "400"},
		{readable, "", "403"}, // nobody can sign in
	} {
		func() {
			fake.errors = nil
			defer func() {
				if recover() != fake || len(fake.errors) != 1 || !strings.Contains(fake.errors[0], tt.failure) {
					t.Errorf("failures %q, want one of %q", fake.errors, tt.failure)
				}
			}()
			p.Allow(tt.url, tt.username)
		}()
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	for _, tt := range []struct {
		name   string
		client authserver.Client
	}{
		{"JSON", authserver.Client{ID: "json", Secret: "s", Dialect: &authserver.Dialect{JSON: true}}},
		{"post", authserver.Client{ID: "post", Secret: "s", Dialect: &authserver.Dialect{AuthMethods: []string{"client_secret_post"}}}},
		{"public", authserver.Client{ID: "public"}},
		{"slash", authserver.Client{ID: "slash", Secret: "s", Dialect: &authserver.Dialect{TrailingSlash: true}}},
		{"the ready one, replaced", authserver.Client{ID: "app", Secret: "another"}},
	} {
		tt.client.Grants = []string{"password", "authorization_code", "refresh_token"}
		tt.client.RedirectURIs = []string{"https://app.example/cb"}
		c := p.Register(tt.client)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		tok, err := c.Password(t.Context(), "alice", granttest.Password)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if _, err := c.Refresh(t.Context(), record(tok)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		flow, err := c.AuthorizationCode(t.Context(), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if _, err := c.Exchange(t.Context(), flow, query(t, p.Allow(flow.URL, "alice"))); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := c.Revoke(t.Context(), record(tok)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := p.Client.Password(t.Context(), "alice", granttest.Password); err == nil {
		t.Error("a replaced client's old secret works")
	}
}

// A refresh token outlives the registration of another client, and its own client's new dialect.
func TestIssuedStays(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	tok := login(t, p)
	p.Register(authserver.Client{ID: "other", Secret: "s"})
	if !lives(t, p, tok.AccessToken) {
		t.Error("an access token died by a registration")
	}
	must(t, p, tok.RefreshToken)
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	_, err := p.Client.Password(t.Context(), "alice", "looking glass")
	if e := (*grants.Error)(nil); !errors.As(err, &e) || e.Class != grants.GrantDead {
		t.Errorf("got %v", err)
	}
}

func TestSkew(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	tok := login(t, p)
	p.Skew(59 * time.Minute)
	if !lives(t, p, tok.AccessToken) {
		t.Error("the access token died early")
	}
	p.Skew(time.Hour)
	if lives(t, p, tok.AccessToken) {
		t.Error("the access token lives on")
	}
	behind := granttest.New(t)
	behind.Skew(-time.Hour)
	early := login(t, behind)
	if left := time.Until(early.Expiry); left < 59*time.Minute {
		t.Errorf("a clock that is behind takes from a lifetime in seconds: %v left", left)
	}
	rec, err := behind.Server().Verify(t.Context(), early.AccessToken)
	if err != nil || time.Until(rec.Token.Expiry) > time.Minute {
		t.Errorf("the provider's own idea of the expiry: %v, %v", rec, err)
	}
}

// Ending a login from the provider's side.
func TestEndSubject(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	tok := login(t, p)
	if err := p.Server().EndSubject(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if lives(t, p, tok.AccessToken) || !dead(t, p, tok.RefreshToken) {
		t.Error("the login lives on")
	}
}

// Without a test, as in an example, mistakes panic.
func TestWithoutTest(t *testing.T) {
	t.Parallel()
	p := granttest.New(nil)
	defer p.Close()
	p.Next("password", granttest.Fault{Ignore: true}) // met by nobody, and nobody is told
	if _, err := p.Client.ClientCredentials(t.Context()); err != nil {
		t.Error(err)
	}
	defer func() {
		if text, ok := recover().(string); !ok || !strings.Contains(text, "no such rotation") {
			t.Errorf("recovered %q", text)
		}
	}()
	p.Rotate("")
}

// A closed provider leaves nobody waiting.
func TestCloseEndsRequests(t *testing.T) {
	t.Parallel()
	p := granttest.New(nil)
	p.Next("client_credentials", granttest.Fault{Before: time.Hour})
	done := make(chan error)
	go func() {
		_, err := p.Client.ClientCredentials(t.Context())
		done <- err
	}()
	for len(p.Requests("client_credentials")) == 0 {
		if _, err := p.Client.Password(t.Context(), "alice", granttest.Password); err != nil { // takes a moment
			t.Fatal(err)
		}
	}
	p.Close()
	p.Close()
	if err := <-done; err == nil {
		t.Error("the request was answered")
	}
}
