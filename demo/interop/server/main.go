// Command server runs an authorization server on loopback for the scripts beside it, with a client of every kind. It tells
// where it listens, and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/granttest"
)

func main() {
	p := granttest.New(nil) // with the client "app"
	defer p.Close()
	user := []string{"password", "refresh_token"}
	scopes := []string{"read", "write"}
	for _, c := range []authserver.Client{
		{ID: "other", Secret: "secret-of-other", Grants: user, Scopes: scopes},
		{ID: "public", Grants: []string{"authorization_code", "password", "refresh_token"}, Scopes: scopes},
		{ID: "browser", Secret: "secret-of-browser", Grants: []string{"implicit"}, Scopes: scopes},
		{ID: "backend", Secret: "secret-of-backend", Grants: []string{"client_credentials"}, Scopes: scopes, ResourceServer: true},
		{ID: "web", Secret: "secret-of-web", Scopes: scopes, RedirectURIs: []string{"https://your.callback/uri"}},
		{ID: "json", Secret: "secret-of-json", Grants: user, Scopes: scopes, Dialect: &authserver.Dialect{JSON: true}},
		{ID: "header", Secret: "secret-of-header", Grants: user, Scopes: scopes, Dialect: &authserver.Dialect{
			AuthMethods: []string{"client_secret_basic"},
		}},
	} {
		p.Register(c)
	}
	fmt.Println("ready:", p.URL)
	io.Copy(io.Discard, os.Stdin) // its end is all that counts
}
