// Command oidc drives a certified OpenID provider by this project's client, flow by flow, without a browser. oidc.sh
// starts that provider first; its clients are in provider.mjs.
package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// world is the provider as discovered, and the key of the client "assertion".
type world struct {
	found *grants.Client
	key   *jose.Signer
}

func main() {
	issuer := flag.String("issuer", "", "the provider's issuer")
	keyFile := flag.String("key", "", "PEM file with the private key of the client that signs assertions")
	flag.Parse()
	if err := run(*issuer, *keyFile); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL ", err)
		os.Exit(1)
	}
}

func run(issuer, keyFile string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	key, err := readKey(keyFile)
	if err != nil {
		return err
	}
	found, err := grants.Discover(ctx, &grants.Client{Issuer: issuer, ID: "web", Secret: "secret of web: 100% odd"})
	if err != nil {
		return err
	}
	w := &world{found: found, key: key}
	flows := []struct {
		name string
		run  func(context.Context, *world) error
	}{
		{"discovery", discovery},
		{"code, PKCE, PAR, ID token, userinfo", code},
		{"code twice", codeTwice},
		{"the user cancels", cancelled},
		{"client_secret_post", post},
		{"public client", public},
		{"refresh with rotation", rotation},
		{"refresh by the keeper: one request of fifty callers", kept},
		{"client credentials", credentials},
		{"wrong secret", wrongSecret},
		{"private_key_jwt", privateKey},
		{"client_secret_jwt", secretJWT},
		{"device", device},
		{"introspection and revocation", revocation},
		{"JWT access token", jwtAccess},
		{"DPoP with nonces: code, userinfo, refresh", dpop},
		{"RP-initiated logout", logout},
	}
	for _, f := range flows {
		if err := f.run(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Println("PASS  oidc-provider:", f.name)
	}
	return nil
}

func readKey(file string) (*jose.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key file is no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	return jose.NewSigner("ES256", "interop", key)
}

// client is one of the provider's, as its application configures it.
func (w *world) client(id, secret string, auth grants.ClientAuth, scopes ...string) *grants.Client {
	c := *w.found
	c.ID, c.Secret, c.Auth, c.Scopes, c.RedirectURI = id, secret, auth, scopes, "http://127.0.0.1:1/callback"
	return &c
}

func (w *world) web() *grants.Client {
	return w.client("web", "secret of web: 100% odd", grants.ClientSecretBasic, "openid", "offline_access")
}

// class is what the client understood of a refusal.
func class(err error) grants.Class {
	if e := (*grants.Error)(nil); errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// must turns an expectation into an error.
func must(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
