package authserver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// A server prints nothing of its clients' secrets, for whatever verb.
func TestServerPrintsNoSecret(t *testing.T) {
	t.Parallel()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const m = "canary-secret-canary-secret-canary-secret"
	s, err := authserver.New(tokens, users, []authserver.Client{{ID: "web", Secret: m, Grants: []string{"client_credentials"}}}, &authserver.Options{Issuer: "https://as.example"})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s %q %x %d %t", s, s, s, s, s, s, s, s); strings.Contains(text, m) {
		t.Error(text)
	}
}
