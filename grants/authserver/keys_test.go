package authserver_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

func newSigner(t testing.TB, kid string) *jose.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner("EdDSA", kid, key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

const resource = "https://api.example"

// withJWT gives the client "web" JWT access tokens and the scope openid.
func withJWT(t testing.TB, d authserver.Dialect, signers ...*jose.Signer) func(*setup) {
	if len(signers) == 0 {
		signers = []*jose.Signer{newSigner(t, "k1")}
	}
	return func(set *setup) {
		d.Audience = []string{resource}
		set.clients[0].Dialect, set.clients[0].Scopes = &d, []string{"read", "openid"}
		set.options.Keys = signers
	}
}

// published returns what the server publishes.
func (s *service) published() jose.KeySet {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.JWKS().ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	set, err := jose.ParseKeySet(w.Body.Bytes())
	if err != nil {
		s.t.Fatal(err)
	}
	return set
}

// check verifies a token of this type as somebody else would, with what the server publishes.
func (s *service) check(typ, audience, token string) (*jose.Claims, error) {
	v := jose.Verifier{
		Keys: s.published(), Algorithms: []string{"EdDSA"}, Issuer: "https://as.example", Audience: []string{audience}, Types: []string{typ},
	}
	return v.Verify(s.t.Context(), token)
}

func (s *service) checked(typ, audience, token string) *jose.Claims {
	s.t.Helper()
	claims, err := s.check(typ, audience, token)
	if err != nil {
		s.t.Fatalf("%s: %v", typ, err)
	}
	return claims
}

// claimsBut returns what a token says as JSON, without the claims that differ each time.
func claimsBut(t *testing.T, claims *jose.Claims, but ...string) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(claims.Payload, &all); err != nil {
		t.Fatal(err)
	}
	for _, name := range but {
		if len(all[name]) == 0 {
			t.Errorf("no %s", name)
		}
		delete(all, name)
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestJWTAccessToken(t *testing.T) {
	t.Parallel()
	svc := newService(t, withJWT(t, authserver.Dialect{}))
	access, refresh := svc.login("scope", "read")
	claims := svc.checked("at+jwt", resource, access)
	if got := claimsBut(t, claims, "exp", "iat", "jti", "auth_time"); got !=
		`{"aud":"https://api.example","client_id":"web","iss":"https://as.example","scope":"read","sub":"user-1"}` {
		t.Errorf("claims %s", got)
	}
	if life := claims.Expires.Sub(claims.IssuedAt); life != time.Hour || claims.ID == "" {
		t.Errorf("it lives for %s, ID %q", life, claims.ID)
	}
	rec, err := svc.Verify(t.Context(), access)
	if err != nil || rec.Subject != "user-1" || !slices.Equal(rec.Token.Scopes, []string{"read"}) {
		t.Errorf("record of %v, error %v", rec, err)
	}
	got := svc.post("/introspect", "token", access)
	if got.json["active"] != true || got.json["jti"] != claims.ID || got.json["aud"] != resource || got.json["sub"] != "user-1" ||
		got.json["exp"] != float64(claims.Expires.Unix()) || got.json["client_id"] != "web" {
		t.Errorf("introspection %s", got.body)
	}

	// Nothing but the very text is ours.
	head, rest, _ := strings.Cut(access, ".")
	for name, forged := range map[string]string{
		"its ID": claims.ID, "without signature": access[:strings.LastIndex(access, ".")+1], "longer": access + "A",
		"another header": head + "A." + rest, "another server's": func() string {
			twin := newService(t, withJWT(t, authserver.Dialect{}))
			access, _ := twin.login()
			return access
		}(),
	} {
		if svc.valid(forged) {
			t.Errorf("valid: %s", name)
		}
	}

	second := svc.refresh(refresh)
	other := text(t, second, "access_token")
	if svc.checked("at+jwt", resource, other).ID == claims.ID {
		t.Error("two tokens of one ID")
	}
	// Revoked, it is so here, whatever its signature says elsewhere.
	svc.post("/revoke", "token", access).want(t, 200, "")
	if svc.valid(access) || !svc.valid(other) {
		t.Errorf("valid after one was revoked: %v, %v", svc.valid(access), svc.valid(other))
	}
	if got := svc.post("/introspect", "token", access); len(got.json) != 1 || got.json["active"] != false {
		t.Errorf("introspection %s", got.body)
	}
	svc.post("/revoke", "token", text(t, second, "refresh_token")).want(t, 200, "")
	if svc.valid(other) {
		t.Error("the login has ended, and its access token lives on")
	}
}

func TestJWTOfAClientItself(t *testing.T) {
	t.Parallel()
	svc := newService(t, withJWT(t, authserver.Dialect{}))
	got := svc.post("/token", "grant_type", "client_credentials")
	access := text(t, got, "access_token")
	claims := svc.checked("at+jwt", resource, access)
	if got := claimsBut(t, claims, "exp", "iat", "jti"); got !=
		`{"aud":"https://api.example","client_id":"web","iss":"https://as.example","scope":"read openid","sub":"web"}` {
		t.Errorf("claims %s", got)
	}
	if got.json["id_token"] != nil {
		t.Error("an ID token without a user")
	}
	if rec, err := svc.Verify(t.Context(), access); err != nil || rec.Subject != "" {
		t.Errorf("record %v, error %v: a client's own token is nobody's", rec, err)
	}
	if got := svc.post("/introspect", "token", access); got.json["sub"] != "web" {
		t.Errorf("introspection %s", got.body)
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	k1, k2 := newSigner(t, "k1"), newSigner(t, "k2")
	svc := newService(t, withJWT(t, authserver.Dialect{}, k1))
	set := func(signers ...*jose.Signer) {
		t.Helper()
		if err := svc.SetKeys(signers...); err != nil {
			t.Fatal(err)
		}
	}
	first, _ := svc.login()
	before := svc.published()
	set(k1, k2)
	if len(svc.published()) != 2 {
		t.Errorf("published %v", svc.published())
	}
	again, _ := svc.login()
	if _, err := (&jose.Verifier{
		Keys: before, Algorithms: []string{"EdDSA"}, Issuer: "https://as.example", Audience: []string{resource}, Types: []string{"at+jwt"},
	}).Verify(t.Context(), again); err != nil {
		t.Errorf("published, the new key signs already: %v", err)
	}
	set(k2, k1)
	second, _ := svc.login()
	for _, token := range []string{first, again, second} {
		svc.checked("at+jwt", resource, token)
	}
	set(k2)
	if _, err := svc.check("at+jwt", resource, first); !errors.Is(err, jose.ErrInvalid) {
		t.Errorf("the old key's token: %v", err)
	}
	svc.checked("at+jwt", resource, second)
	if !svc.valid(first) || !svc.valid(second) {
		t.Error("the server does not know its own tokens")
	}
	// What is wrong changes nothing.
	for name, signers := range map[string][]*jose.Signer{
		"none": nil, "nil": {nil}, "twice": {k1, k1}, "no kid": {newSigner(t, "")},
		"a secret": {func() *jose.Signer {
			s, err := jose.NewSigner("HS256", "h", make([]byte, 32))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}()},
	} {
		if err := svc.SetKeys(signers...); err == nil {
			t.Errorf("taken: %s", name)
		}
	}
	if set := svc.published(); len(set) != 1 || set[0].ID != "k2" {
		t.Errorf("published %v", set)
	}
}

func TestSignedTokensNeedAnIssuer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*authserver.Options, *authserver.Client){
		"no issuer":                func(o *authserver.Options, _ *authserver.Client) { o.Issuer = "" },
		"no keys for an audience":  func(o *authserver.Options, _ *authserver.Client) { o.Keys = nil },
		"no keys for openid":       func(o *authserver.Options, c *authserver.Client) { o.Keys, c.Dialect = nil, nil },
		"an audience without name": func(_ *authserver.Options, c *authserver.Client) { c.Dialect.Audience = []string{""} },
	} {
		svc := newService(t, nil)
		set := &setup{clients: plainClients(), options: authserver.Options{Issuer: "https://as.example"}}
		withJWT(t, authserver.Dialect{})(set)
		change(&set.options, &set.clients[0])
		if _, err := authserver.New(svc.tokens, users, set.clients, &set.options); err == nil {
			t.Errorf("taken: %s", name)
		}
	}
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	svc := newService(t, withJWT(t, authserver.Dialect{}))
	w := httptest.NewRecorder()
	svc.JWKS().ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/jwk-set+json" || w.Header().Get("Cache-Control") != "public, max-age=300" ||
		strings.Contains(w.Body.String(), `"d":`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	svc.JWKS().ServeHTTP(w, httptest.NewRequest("POST", "/jwks", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	w = httptest.NewRecorder()
	newService(t, nil).JWKS().ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	if w.Body.String() != `{"keys":[]}` {
		t.Errorf("without keys: %s", w.Body)
	}
}

// hsm is a key somewhere else, which may be down.
type hsm struct {
	ed25519.PrivateKey
	down *bool
}

func (h hsm) Sign(r io.Reader, message []byte, o crypto.SignerOpts) ([]byte, error) {
	if *h.down {
		return nil, errors.New("hsm is down")
	}
	return h.PrivateKey.Sign(r, message, o)
}

// Nothing is spent for an answer that cannot be signed.
func TestSigningFails(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var down bool
	signer, err := jose.NewSigner("EdDSA", "k1", hsm{key, &down})
	if err != nil {
		t.Fatal(err)
	}
	for name, jwt := range map[string]bool{"access token": true, "ID token": false} {
		svc := newService(t, func(set *setup) {
			withJWT(t, authserver.Dialect{Grace: time.Minute}, signer)(set)
			if !jwt {
				set.clients[0].Dialect = &authserver.Dialect{Grace: time.Minute}
			}
		})
		code := svc.allow(codeQuery).Get("code")
		_, refresh := svc.login()
		down = true
		svc.redeem(code).want(t, 503, "temporarily_unavailable")
		svc.refresh(refresh).want(t, 503, "temporarily_unavailable")
		if !strings.Contains(svc.logs.String(), "hsm is down") {
			t.Errorf("%s: the log does not tell why: %s", name, svc.logs)
		}
		down = false
		svc.redeem(code).want(t, 200, "")
		svc.refresh(refresh).want(t, 200, "")
		if !jwt { // the ID token of a successor that was given before
			down = true
			svc.refresh(refresh).want(t, 503, "temporarily_unavailable")
			down = false
			svc.refresh(refresh).want(t, 200, "")
		}
	}
}
