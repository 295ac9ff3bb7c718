package authserver_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func TestFaultsAllAtOnce(t *testing.T) {
	t.Parallel()
	uris := []string{
		"/relative", "https:///x", "https://a.example/#f", "https://a.example#", "javascript:alert(1)", "data:x", "http://a.example/",
		"http://127.evil.example/", "https://u:canary@a.example/", "https://a.example/ü", "https://a.example/a b", "https://a.example/%zz",
	}
	_, err := authserver.New(nil, nil, []authserver.Client{
		{ID: "twice", Secret: "canary", Grants: []string{"magic"}},
		{ID: "twice", Secret: "canary", Grants: []string{"password"}},
		{ID: "uris", RedirectURIs: uris},
		{ID: "none", Secret: "canary"},
		{Secret: "canary", RedirectURIs: []string{"https://a.example/"}},
		{ID: "public", Grants: []string{"client_credentials", "refresh_token"}, ResourceServer: true, Scopes: []string{"a b"},
			Dialect: &authserver.Dialect{
				AuthMethods: []string{"client_secret_basic", "magic"}, Scopes: []string{`"`}, TokenType: "mac",
				AccessTTL: -1, RefreshTTL: time.Millisecond, GrantTTL: -1, Rotation: 9, Grace: -1, OmitRefresh: true,
			}},
		{ID: "never", Grants: []string{"refresh_token"}, Dialect: &authserver.Dialect{Rotation: authserver.RotateNever}},
		{ID: "secretless", Secret: "canary", Dialect: &authserver.Dialect{AuthMethods: []string{"none"}, Grace: 2 * time.Hour}},
	}, &authserver.Options{Issuer: "http://as.example", CodeTTL: time.Hour, MaxAttempts: -1})
	if err == nil {
		t.Fatal("no error")
	}
	got := err.Error()
	for _, part := range []string{
		"tokens: nil", `"http://as.example" must be https`, "CodeTTL: 1h", "MaxAttempts: -1",
		`client "twice": twice`, `unknown grant type "magic"`, `client "twice": its grants need Users`,
		`"/relative" is not absolute`, `"https:///x" is not absolute`, "has a fragment", `scheme "javascript"`, `scheme "data"`,
		`"http://a.example/" is http beyond loopback`, `"http://127.evil.example/" is http`, "user information", "must be escaped", "does not parse",
		`client "none": RedirectURIs`, "a client without an ID cannot have a secret", "a client without an ID cannot use the authorize endpoint",
		"client_credentials needs a Secret", "ResourceServer: needs a Secret", `"a b" is no scope token`, "does not take the method",
		`unknown method "magic"`, `"\"" is no scope token`, `"mac" is not a spelling`, "AccessTTL: -1ns", "RefreshTTL: 1ms", "GrantTTL: -1ns",
		"Rotation: unknown value 9", "Grace: -1ns", "OmitRefresh", `client "never": a public client needs rotating`,
		"takes no method that uses a Secret", "Grace: 2h0m0s",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("the error lacks %q", part)
		}
	}
	if strings.Contains(got, "canary") {
		t.Errorf("the error holds a secret: %s", got)
	}
	if t.Failed() {
		t.Log(got)
	}
}

type statelessStore struct{ store.TokenStore }

func (statelessStore) Coordinator() store.TokenStore { return nil }

func TestRefusedStoresAndIssuers(t *testing.T) {
	t.Parallel()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	clients := []authserver.Client{{ID: "x", Secret: "x", Grants: []string{"client_credentials"}}}
	if _, err := authserver.New(statelessStore{tokens}, nil, clients, nil); err == nil {
		t.Error("a stateless store was taken")
	}
	if _, err := authserver.New(tokens, nil, nil, nil); err == nil {
		t.Error("no clients were taken")
	}
	for _, issuer := range []string{"as.example", "https://as.example/?x", "https://as.example#", "https://u:p@as.example", "https://", "%zz", "ftp://as.example"} {
		if _, err := authserver.New(tokens, nil, clients, &authserver.Options{Issuer: issuer}); err == nil {
			t.Errorf("issuer %q was taken", issuer)
		}
	}
	for _, issuer := range []string{"", "https://as.example", "https://as.example/tenant/", "http://127.0.0.1:9096", "http://localhost:1", "http://[::1]:1"} {
		if _, err := authserver.New(tokens, nil, clients, &authserver.Options{Issuer: issuer}); err != nil {
			t.Errorf("issuer %q: %v", issuer, err)
		}
	}
}

func TestClientPrintsNoSecret(t *testing.T) {
	t.Parallel()
	c := authserver.Client{ID: "web", Secret: secret}
	var all strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&all, verb+verb, c, &c)
		fmt.Fprintf(&all, verb, []authserver.Client{c})
	}
	for _, v := range []any{c, &c, []authserver.Client{c}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
		slog.New(slog.NewTextHandler(&all, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&all, nil)).Info("x", "v", v)
	}
	if strings.Contains(all.String(), "canary") || strings.Contains(all.String(), fmt.Sprintf("%x", "canary")) {
		t.Errorf("it prints %s", all.String())
	}
	if !strings.Contains(all.String(), "web") {
		t.Errorf("it does not name itself: %s", all.String())
	}
}
