package authserver_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// The project's own client finds the server by its metadata and goes through everything: a signed assertion for each
// request, a pushed request, the page, an ID token, a refresh, introspection, userinfo, revocation, a device.
func TestWithOurOwnClient(t *testing.T) {
	t.Parallel()
	ts := httptest.NewUnstartedServer(nil)
	issuer := "http://" + ts.Listener.Addr().String()
	signer, clientKey := newSigner(t, "server"), newSigner(t, "client")
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := authserver.New(tokens, users, []authserver.Client{{
		ID: "app", Keys: jose.KeySet{clientKey.Key()}, Scopes: []string{"openid", "read"}, RedirectURIs: []string{"https://app.example/cb"},
		Grants:  []string{"authorization_code", "refresh_token", deviceGrant, "client_credentials"},
		Dialect: &authserver.Dialect{Audience: []string{resource}},
	}, {
		ID: "bound", Secret: secret, DPoP: true, Scopes: []string{"openid", "read"}, Grants: []string{"password", "refresh_token"},
	}}, &authserver.Options{Issuer: issuer, Keys: []*jose.Signer{signer}, VerificationURI: "/device", DPoPNonces: true})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, h := range map[string]http.Handler{
		"/authorize": srv.Authorize(), "/par": srv.PushedAuthorization(), "/token": srv.Token(), "/revoke": srv.Revoke(),
		"/introspect": srv.Introspect(), "/userinfo": srv.UserInfo("openid"), "/jwks": srv.JWKS(), "/device": srv.DevicePage(),
		"/device_authorization": srv.DeviceAuthorization(),
		"/.well-known/openid-configuration": srv.Metadata(authserver.Endpoints{
			Authorize: "/authorize", PushedAuthorization: "/par", Token: "/token", DeviceAuthorization: "/device_authorization",
			Revoke: "/revoke", Introspect: "/introspect", UserInfo: "/userinfo", JWKS: "/jwks",
		}),
	} {
		mux.Handle(path, h)
	}
	ts.Config.Handler = mux
	ts.Start()
	t.Cleanup(ts.Close)
	svc := &service{Server: srv, t: t, mux: mux}

	ctx := t.Context()
	app, err := grants.Discover(ctx, &grants.Client{
		Issuer: issuer, ID: "app", Auth: grants.PrivateKeyJWT, Signer: clientKey, RedirectURI: "https://app.example/cb",
		Scopes: []string{"openid", "read"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if app.PARURL != issuer+"/par" || app.DeviceURL != issuer+"/device_authorization" {
		t.Errorf("discovered %q and %q", app.PARURL, app.DeviceURL)
	}
	flow, err := app.AuthorizationCode(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(flow.URL)
	if err != nil || to.Query().Has("scope") || !to.Query().Has("request_uri") {
		t.Fatalf("sent to %s, %v", flow.URL, err)
	}
	tok, err := app.Exchange(ctx, flow, svc.allow(to.RawQuery))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := app.IDToken(ctx, tok)
	if err != nil || claims.Subject != "user-1" {
		t.Fatalf("ID token %v, %v", claims, err)
	}
	second, err := app.Password(ctx, "bob", password) // not this client's grant
	if err == nil || second.AccessToken != "" {
		t.Errorf("password: %v", err)
	}
	told, err := app.Device(ctx)
	if err != nil {
		t.Fatal(err)
	}
	page := svc.connect("user_code", told.UserCode, "username", "bob", "password", password)
	m := hidden.FindStringSubmatch(page.body)
	if m == nil {
		t.Fatalf("page %d %s", page.StatusCode, page.body)
	}
	svc.connect("request", html.UnescapeString(m[1]), "decision", "allow")
	told.Interval = time.Millisecond // allowed, it is not too soon
	device, err := app.DeviceToken(ctx, told)
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := srv.Verify(ctx, device.AccessToken); err != nil || rec.Subject != "user-2" || !slices.Equal(rec.Token.Scopes, []string{"openid", "read"}) {
		t.Errorf("record %v, %v", rec, err)
	}
	bound := *app
	bound.ID, bound.Secret, bound.Auth, bound.Signer = "bound", secret, grants.ClientSecretBasic, nil
	bound.DPoP = &grants.DPoP{Key: clientKey}
	if tok, err = bound.Password(ctx, "bob", password); err != nil || tok.TokenType != "DPoP" || svc.valid(tok.AccessToken) {
		t.Fatalf("bound: %v, %v", tok, err)
	}
	var info map[string]string
	if err := bound.UserInfo(ctx, tok, &info); err != nil || info["sub"] != "user-2" {
		t.Errorf("userinfo %v, %v", info, err)
	}
	if own, err := app.ClientCredentials(ctx, "read"); err != nil || !svc.valid(own.AccessToken) {
		t.Errorf("client credentials: %v", err)
	}
}
