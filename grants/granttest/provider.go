package granttest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// Password is everybody's at a [Provider]. Who signs in with it becomes the subject of that name.
const Password = "wonderland"

const redirectURI = "http://127.0.0.1/callback"

// Provider is an authorization server for one test. The zero Provider is not usable: call [New]. All methods may be
// called concurrently.
type Provider struct {
	URL string // where it listens, and its issuer

	// Client is registered there: confidential, for every grant, with the redirect URI http://127.0.0.1/callback on any
	// port. It asks for the scopes read and write, and may ask for openid. A test may change it before its first use;
	// [Provider.Register] makes others.
	Client *grants.Client

	t       testing.TB
	tokens  store.TokenStore
	signer  *jose.Signer
	keys    *jose.Remote
	http    *httptest.Server
	closing chan struct{}
	close   func()
	skew    atomic.Int64

	mu      sync.Mutex
	clients []authserver.Client
	server  *authserver.Server
	mux     http.Handler
	next    map[string][]Fault
	always  map[string]Fault
	log     []Request
}

// New starts a Provider, which is closed when t ends. Faults that nobody met by then fail the test. With a nil t, as in
// examples, the caller closes it, and what a test would fail by is a panic.
func New(t testing.TB) *Provider {
	p := &Provider{t: t, closing: make(chan struct{}), next: map[string][]Fault{}, always: map[string]Fault{}}
	p.close = sync.OnceFunc(p.shut)
	tokens, err := memstore.New(&memstore.Options{Now: p.now})
	p.check(err)
	p.tokens = tokens
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.check(err)
	p.signer, err = jose.NewSigner("ES256", "granttest", key)
	p.check(err)
	p.http = httptest.NewServer(http.HandlerFunc(p.serve))
	p.URL = p.http.URL
	p.keys, err = jose.NewRemote(p.URL+"/jwks", &jose.RemoteOptions{HTTP: p.http.Client()})
	p.check(err)
	p.Client = p.Register(authserver.Client{
		ID: "app", Secret: "the secret of app",
		Grants: []string{
			"authorization_code", "refresh_token", "password", "client_credentials", "implicit",
			"urn:ietf:params:oauth:grant-type:device_code",
		},
		Scopes: []string{"openid", "read", "write"},
	})
	p.Client.Scopes = []string{"read", "write"} // those of OpenID Connect are for who wants them
	if t != nil {
		t.Helper()
		t.Cleanup(func() {
			p.Close()
			p.unmet()
		})
	}
	return p
}

// Close ends the Provider, and requests under way without an answer. Only a Provider without a test has to be closed.
func (p *Provider) Close() { p.close() }

func (p *Provider) shut() {
	close(p.closing)
	p.keys.Close()
	p.http.Close()
}

// Register adds a client, or replaces the one of the same ID, and returns its other side: that client as an application
// configures it. Without redirect URIs it gets those of the ready Client. What was issued stays as it is, and follows the
// client's new Dialect from its next use on. A client with Keys has yet to get its Signer, and one that is to push its
// authorize requests the PARURL, [Provider.URL] and "/par".
func (p *Provider) Register(c authserver.Client) *grants.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.RedirectURIs == nil {
		c.RedirectURIs, c.Native = []string{redirectURI}, true
	}
	clients := slices.DeleteFunc(slices.Clone(p.clients), func(old authserver.Client) bool { return old.ID == c.ID })
	clients = append(clients, c)
	p.check(p.rebuild(clients))
	return p.other(c)
}

// Rotate changes what becomes of used refresh tokens, for all clients. It goes for the next use of those issued before, too.
func (p *Provider) Rotate(r Rotation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	clients := slices.Clone(p.clients)
	for i := range clients {
		d := authserver.Dialect{}
		if clients[i].Dialect != nil {
			d = *clients[i].Dialect
		}
		p.check(r.apply(&d))
		clients[i].Dialect = &d
	}
	p.check(p.rebuild(clients))
}

// rebuild replaces the server by one of these clients, on the same store.
func (p *Provider) rebuild(clients []authserver.Client) error {
	server, err := authserver.New(p.tokens, users, clients, &authserver.Options{
		Issuer: p.URL, VerificationURI: "/connect", Keys: []*jose.Signer{p.signer}, Now: p.now,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for path, h := range map[string]http.Handler{
		"/token": server.Token(), "/authorize": server.Authorize(), "/revoke": server.Revoke(),
		"/introspect": server.Introspect(), "/device_authorization": server.DeviceAuthorization(),
		"/par": server.PushedAuthorization(),
	} {
		mux.Handle(path, h)
		mux.Handle(path+"/{$}", h)
	}
	mux.Handle("/connect", server.DevicePage())
	mux.Handle("/userinfo", server.UserInfo())
	mux.Handle("/jwks", server.JWKS())
	metadata := server.Metadata(authserver.Endpoints{
		Authorize: "/authorize", PushedAuthorization: "/par", Token: "/token", DeviceAuthorization: "/device_authorization",
		Revoke: "/revoke", Introspect: "/introspect", UserInfo: "/userinfo", JWKS: "/jwks",
	})
	mux.Handle("/.well-known/oauth-authorization-server", metadata)
	mux.Handle("/.well-known/openid-configuration", metadata)
	p.clients, p.server, p.mux = clients, server, mux
	return nil
}

func users(_ context.Context, username, password string) (string, error) {
	if username == "" || password != Password {
		return "", store.ErrNotFound
	}
	return username, nil
}

// other is c as the application configures it.
func (p *Provider) other(c authserver.Client) *grants.Client {
	slash := ""
	if c.Dialect != nil && c.Dialect.TrailingSlash {
		slash = "/"
	}
	g := &grants.Client{
		Provider: "granttest", Issuer: p.URL,
		AuthorizeURL: p.URL + "/authorize" + slash, TokenURL: p.URL + "/token" + slash, RevokeURL: p.URL + "/revoke" + slash,
		IntrospectURL: p.URL + "/introspect" + slash, DeviceURL: p.URL + "/device_authorization" + slash,
		UserInfoURL: p.URL + "/userinfo", Keys: p.keys,
		ID: c.ID, Secret: c.Secret, Scopes: c.Scopes, HTTP: p.http.Client(),
	}
	if len(c.RedirectURIs) > 0 {
		g.RedirectURI = c.RedirectURIs[0]
	}
	switch {
	case c.Keys != nil:
		g.Auth = grants.PrivateKeyJWT
	case c.Secret == "":
		g.Auth = grants.None
	case c.Dialect != nil && c.Dialect.JSON:
		g.Auth = grants.ClientSecretJSON
	case c.Dialect != nil && len(c.Dialect.AuthMethods) > 0 && c.Dialect.AuthMethods[0] == "client_secret_post":
		g.Auth = grants.ClientSecretPost
	}
	if c.Dialect != nil && c.Dialect.JSON {
		g.Encoding = grants.JSON
	}
	return g
}

// Server is the authorization server itself: to verify access tokens as its own resources do, and to end logins from the
// provider's side. It is another one after [Provider.Register] and [Provider.Rotate]; either knows what the other issued.
func (p *Provider) Server() *authserver.Server {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.server
}

// Skew puts the Provider's clock ahead of the test's by d, back for a negative d; 0 puts it right. What it has issued
// expires by its own clock. Its store never goes back: what has expired there stays expired.
func (p *Provider) Skew(d time.Duration) { p.skew.Store(int64(d)) }

func (p *Provider) now() time.Time { return time.Now().Add(time.Duration(p.skew.Load())) }

// check ends the test for what it has configured wrongly.
func (p *Provider) check(err error) {
	if err == nil {
		return
	}
	if p.t == nil {
		panic("granttest: " + err.Error()) //nolint:forbidigo // a mistake in an example or in a test's own server
	}
	p.t.Helper()
	p.t.Fatal("granttest:", err)
}

// String tells where the Provider listens.
func (p *Provider) String() string { return fmt.Sprintf("provider(%q)", p.URL) }

// Format prints [Provider.String] for every verb.
func (p *Provider) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// LogValue logs [Provider.String].
func (p *Provider) LogValue() slog.Value { return slog.StringValue(p.String()) }
