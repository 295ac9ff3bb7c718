package authserver_test

import (
	"context"
	"errors"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

type keySource func() ([]jose.Key, error)

func (f keySource) Keys(context.Context, string) ([]jose.Key, error) { return f() }

// newAsserting has a client "signs" that authenticates with the signer's key.
func newAsserting(t *testing.T, signer *jose.Signer) *service {
	t.Helper()
	return newService(t, func(set *setup) {
		set.clients = append(set.clients, authserver.Client{
			ID: "signs", Keys: jose.KeySet{signer.Key()}, Grants: []string{"client_credentials"}, Scopes: []string{"read"},
		})
	})
}

func assertion(t *testing.T, signer *jose.Signer, typ string, change map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{
		"iss": "signs", "sub": "signs", "aud": "https://as.example", "jti": "ID-1", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	var header map[string]any
	if typ != "" {
		header = map[string]any{"typ": typ}
	}
	text, err := signer.Sign(header, claims)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *service) assert(text string, pairs ...string) *reply {
	s.t.Helper()
	return s.postAs("", "", "/token", append([]string{
		"grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", text,
	}, pairs...)...)
}

func TestAssertion(t *testing.T) {
	t.Parallel()
	signer, other := newSigner(t, "k1"), newSigner(t, "k1")
	soon := time.Now().Add(time.Minute).Unix()
	for _, tt := range []struct {
		name   string
		text   string
		pairs  []string
		status int
		code   string
	}{
		{"good", assertion(t, signer, "", nil), nil, 200, ""},
		{"good, typed", assertion(t, signer, "JWT", nil), nil, 200, ""},
		{"good, of the new type", assertion(t, signer, "client-authentication+jwt", nil), nil, 200, ""},
		{"good, with client_id", assertion(t, signer, "", nil), []string{"client_id", "signs"}, 200, ""},
		{"good, audience in an array", assertion(t, signer, "", map[string]any{"aud": []string{"https://as.example"}}), nil, 200, ""},
		{"another key", assertion(t, other, "", nil), nil, 400, "invalid_client"},
		{"for the token endpoint", assertion(t, signer, "", map[string]any{"aud": "https://as.example/token"}), nil, 400, "invalid_client"},
		{"for two", assertion(t, signer, "", map[string]any{"aud": []string{"https://as.example", "https://evil.example"}}), nil, 400, "invalid_client"},
		{"for nobody", assertion(t, signer, "", map[string]any{"aud": nil}), nil, 400, "invalid_client"},
		{"another issuer", assertion(t, signer, "", map[string]any{"iss": "web"}), nil, 400, "invalid_client"},
		{"another subject", assertion(t, signer, "", map[string]any{"sub": "web"}), nil, 400, "invalid_client"},
		{"unknown subject", assertion(t, signer, "", map[string]any{"sub": "nobody", "iss": "nobody"}), nil, 400, "invalid_client"},
		{"no subject", assertion(t, signer, "", map[string]any{"sub": nil}), nil, 400, "invalid_client"},
		{"no ID", assertion(t, signer, "", map[string]any{"jti": nil}), nil, 400, "invalid_client"},
		{"empty ID", assertion(t, signer, "", map[string]any{"jti": ""}), nil, 400, "invalid_client"},
		{"no expiry", assertion(t, signer, "", map[string]any{"exp": nil}), nil, 400, "invalid_client"},
		{"expired", assertion(t, signer, "", map[string]any{"exp": soon - 3600}), nil, 400, "invalid_client"},
		{"for a day", assertion(t, signer, "", map[string]any{"exp": soon + 86400}), nil, 400, "invalid_client"},
		{"from the future", assertion(t, signer, "", map[string]any{"nbf": soon + 3600}), nil, 400, "invalid_client"},
		{"an access token", assertion(t, signer, "at+jwt", nil), nil, 400, "invalid_client"},
		{"another client_id", assertion(t, signer, "", nil), []string{"client_id", "web"}, 400, "invalid_request"},
		{"and a secret", assertion(t, signer, "", nil), []string{"client_secret", secret}, 400, "invalid_request"},
		{"twice", assertion(t, signer, "", nil), []string{"client_assertion", "x"}, 400, "invalid_request"},
		{"garbage", "x.y.z", nil, 400, "invalid_client"},
		{"empty", "", nil, 400, "invalid_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc := newAsserting(t, signer)
			got := svc.assert(tt.text, tt.pairs...)
			got.want(t, tt.status, tt.code)
			if tt.text != "" && strings.Contains(got.body+svc.logs.String(), tt.text) {
				t.Error("the assertion is told")
			}
		})
	}
}

func TestAssertionWorksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer := newSigner(t, "k1")
		svc := newAsserting(t, signer)
		svc.tokens.delay = 2 * time.Millisecond
		n := 0
		for i, round := range rounds(svc, func() string {
			n++
			return assertion(t, signer, "", map[string]any{"jti": strings.Repeat("i", n)})
		}, func(text string) *reply {
			got := svc.assert(text)
			if got.StatusCode != 200 {
				got.want(t, 400, "invalid_client")
				got = svc.redeem("x") // what rounds expects of a loser
			}
			return got
		}) {
			if len(round) != 1 {
				t.Errorf("round %d: %d successes", i, len(round))
			}
		}
		// As long as it is good, leeway included.
		text := assertion(t, signer, "", nil)
		svc.assert(text).want(t, 200, "")
		time.Sleep(6*time.Minute - time.Second)
		svc.assert(text).want(t, 400, "invalid_client")
		time.Sleep(time.Minute)
		svc.assert(text).want(t, 400, "invalid_client")
	})
}

func TestAssertionAndOtherMethods(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1")
	svc := newAsserting(t, signer)
	// The client has no secret, and is not public either.
	for _, given := range []string{"", "x"} {
		svc.postAs("signs", given, "/token", "grant_type", "client_credentials").want(t, 401, "invalid_client")
		svc.postAs("", "", "/token", "grant_type", "client_credentials", "client_id", "signs", "client_secret", given).want(t, 400, "invalid_client")
	}
	r := httptest.NewRequest("POST", "/token", strings.NewReader(form("grant_type", "client_credentials",
		"client_assertion_type", assertionType, "client_assertion", assertion(t, signer, "", nil))))
	r.Header.Set("Content-Type", formBody)
	r.SetBasicAuth("web", secret)
	svc.do(r).want(t, 400, "invalid_request")
	svc.postAs("", "", "/token", "grant_type", "client_credentials", "client_assertion", assertion(t, signer, "", nil)).want(t, 400, "invalid_client")
	svc.postAs("", "", "/token", "grant_type", "client_credentials", "client_assertion_type", assertionType, "client_id", "spa").want(t, 400, "invalid_client")
	// A client with a secret does not become another one's by signing.
	svc.assert(assertion(t, signer, "", map[string]any{"iss": "web", "sub": "web"})).want(t, 400, "invalid_client")

	svc.mux.Handle("/m", svc.Metadata(authserver.Endpoints{}))
	got := svc.do(httptest.NewRequest("GET", "/m", nil))
	methods, _ := got.json["token_endpoint_auth_methods_supported"].([]any)
	if !slices.Contains(methods, any("private_key_jwt")) || got.json["token_endpoint_auth_signing_alg_values_supported"] == nil {
		t.Errorf("metadata %s", got.body)
	}
}

func TestAssertionKeysUnavailable(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1")
	err := errors.New("directory of keys is down")
	svc := newService(t, func(set *setup) {
		set.clients = append(set.clients, authserver.Client{
			ID: "signs", Grants: []string{"client_credentials"}, Scopes: []string{"read"},
			Keys: keySource(func() ([]jose.Key, error) { return []jose.Key{signer.Key()}, err }),
		})
	})
	text := assertion(t, signer, "", nil)
	svc.assert(text).want(t, 503, "temporarily_unavailable")
	err = nil
	svc.tokens.failNext(1, false)
	svc.assert(text).want(t, 503, "temporarily_unavailable")
	svc.assert(text).want(t, 200, "")
}

func TestAssertionFaults(t *testing.T) {
	t.Parallel()
	tokens := newService(t, nil).tokens
	keys := jose.KeySet{newSigner(t, "k1").Key()}
	for name, tt := range map[string]struct {
		client authserver.Client
		issuer string
	}{
		"and a secret":       {authserver.Client{ID: "x", Secret: "x", Keys: keys, Grants: []string{"client_credentials"}}, "https://as.example"},
		"no issuer":          {authserver.Client{ID: "x", Keys: keys, Grants: []string{"client_credentials"}}, ""},
		"not of the dialect": {authserver.Client{ID: "x", Keys: keys, Grants: []string{"client_credentials"}, Dialect: &authserver.Dialect{AuthMethods: []string{"client_secret_basic"}}}, "https://as.example"},
	} {
		if _, err := authserver.New(tokens, nil, []authserver.Client{tt.client}, &authserver.Options{Issuer: tt.issuer}); err == nil {
			t.Errorf("taken: %s", name)
		}
	}
}
