package jwtauth_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// What our own authorization server issues passes with nothing but its keys, its name and ours; what it issues for
// others, or for another purpose, does not.
func TestAuthserver(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1")
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	users := func(_ context.Context, name, password string) (string, error) {
		if name == "alice" && password == "wonderland" {
			return "42", nil
		}
		return "", store.ErrNotFound
	}
	client := func(id, audience string) authserver.Client {
		return authserver.Client{
			ID: id, Secret: "s3cret", Grants: []string{"password", "client_credentials"}, Scopes: []string{"read", "openid"},
			Dialect: &authserver.Dialect{Audience: []string{audience}},
		}
	}
	srv, err := authserver.New(tokens, users, []authserver.Client{client("web", audience), client("other", "https://other.example")},
		&authserver.Options{Issuer: "https://as.example", Keys: []*jose.Signer{signer}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	srv.JWKS().ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	keys, err := jose.ParseKeySet(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwtauth.New(&jose.Verifier{Keys: keys, Algorithms: []string{"EdDSA"}, Issuer: "https://as.example", Audience: []string{audience}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := httptest.NewServer(srv.Token())
	defer endpoint.Close()
	web := &grants.Client{TokenURL: endpoint.URL, ID: "web", Secret: "s3cret"}
	other := &grants.Client{TokenURL: endpoint.URL, ID: "other", Secret: "s3cret"}

	alices, err := web.Password(t.Context(), "alice", "wonderland", "read", "openid")
	if err != nil {
		t.Fatal(err)
	}
	rec, err := v.Verify(t.Context(), alices.AccessToken)
	if err != nil || rec.Subject != "42" || rec.ID == "" || len(rec.Token.Scopes) != 2 {
		t.Errorf("%v, %v", rec, err)
	}
	if got := status(t, v, alices.IDToken); got != 401 || alices.IDToken == "" {
		t.Errorf("the ID token as an access token: status %d", got)
	}
	own, err := web.ClientCredentials(t.Context(), "read")
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, v, own.AccessToken, "read"); got != 200 {
		t.Errorf("the client's own token: status %d", got)
	}
	theirs, err := other.Password(t.Context(), "alice", "wonderland", "read")
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, v, theirs.AccessToken, "read"); got != 401 {
		t.Errorf("a token for another service: status %d", got)
	}
}
