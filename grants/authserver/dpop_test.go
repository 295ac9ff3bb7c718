package authserver_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// newBound has the clients "web" and "spa" bind their tokens.
func newBound(t *testing.T, change func(*setup)) *service {
	t.Helper()
	return newService(t, func(set *setup) {
		set.clients[0].DPoP, set.clients[2].DPoP = true, true
		if change != nil {
			change(set)
		}
	})
}

// proofOf signs a proof, different from the usual one as change says; nil removes a claim.
func proofOf(t testing.TB, signer *jose.Signer, typ, path string, change map[string]any) string {
	t.Helper()
	claims := map[string]any{"jti": rand.Text(), "htm": "POST", "htu": "https://as.example" + path, "iat": time.Now().Unix()}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	text, err := signer.Sign(map[string]any{"typ": typ, "jwk": signer.JWK()}, claims)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// prove posts to the token endpoint with these proofs.
func (s *service) prove(client, given string, proofs []string, pairs ...string) *reply {
	s.t.Helper()
	r := httptest.NewRequest("POST", "/token", strings.NewReader(form(pairs...)))
	r.Header.Set("Content-Type", formBody)
	r.SetBasicAuth(client, given)
	r.Header["Dpop"] = proofs
	return s.do(r)
}

func (s *service) bound(signer *jose.Signer, pairs ...string) *reply {
	s.t.Helper()
	return s.prove("web", secret, []string{proofOf(s.t, signer, "dpop+jwt", "/token", nil)}, pairs...)
}

var loginPairs = []string{"grant_type", "password", "username", "alice@example.org", "password", password, "scope", "read"}

func TestProof(t *testing.T) {
	t.Parallel()
	signer, other := newSigner(t, "k1"), newSigner(t, "")
	good := func(change map[string]any) string { return proofOf(t, signer, "dpop+jwt", "/token", change) }
	head, rest, _ := strings.Cut(good(nil), ".")
	_, foreign, _ := strings.Cut(proofOf(t, other, "dpop+jwt", "/token", nil), ".")
	hmac, err := jose.NewSigner("HS256", "", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	symmetric, err := hmac.Sign(map[string]any{"typ": "dpop+jwt", "jwk": map[string]string{
		"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
	}}, map[string]any{"jti": "x", "htm": "POST", "htu": "https://as.example/token", "iat": time.Now().Unix()})
	if err != nil {
		t.Fatal(err)
	}
	jwk := bytes.Replace(signer.JWK(), []byte(`"k1"`), []byte(`"k2"`), 1)
	claims := map[string]any{"jti": "y", "htm": "POST", "htu": "https://as.example/token", "iat": time.Now().Unix()}
	renamed, err := signer.Sign(map[string]any{"typ": "dpop+jwt", "jwk": json.RawMessage(jwk)}, claims)
	if err != nil || !bytes.Contains(jwk, []byte("k2")) {
		t.Fatal(err, string(jwk))
	}
	private := append(bytes.TrimSuffix(jwk, []byte("}")), `,"d":"AAAA"}`...)
	withPrivate, err := signer.Sign(map[string]any{"typ": "dpop+jwt", "jwk": json.RawMessage(private)}, claims)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	for _, tt := range []struct {
		name   string
		proofs []string
		good   bool
	}{
		{"good", []string{good(nil)}, true},
		{"good, without kid", []string{proofOf(t, other, "dpop+jwt", "/token", nil)}, true},
		{"good, the key named otherwise", []string{renamed}, true},
		{"good, with a query", []string{good(map[string]any{"htu": "https://as.example/token?x#y"})}, true},
		{"good, host in capitals and port", []string{good(map[string]any{"htu": "HTTPS://AS.example:443/token"})}, true},
		{"good, a little ahead", []string{good(map[string]any{"iat": now + 60})}, true},
		{"none", nil, false},
		{"two", []string{good(nil), good(nil)}, false},
		{"empty", []string{""}, false},
		{"garbage", []string{"a.b.c"}, false},
		{"long", []string{strings.Repeat("x", 9<<10)}, false},
		{"another's signature", []string{head + "." + foreign}, false},
		{"changed", []string{head + "." + rest[:len(rest)-4] + "AAAA"}, false},
		{"a secret for a key", []string{symmetric}, false},
		{"a private key", []string{withPrivate}, false},
		{"user information", []string{good(map[string]any{"htu": "https://as.example@evil.example/token"})}, false},
		{"dot segments", []string{good(map[string]any{"htu": "https://as.example/x/../token"})}, false},
		{"an escaped path", []string{good(map[string]any{"htu": "https://as.example/%74oken"})}, false},
		{"no host", []string{good(map[string]any{"htu": "/token"})}, false},
		{"typ JWT", []string{proofOf(t, signer, "JWT", "/token", nil)}, false},
		{"another method", []string{good(map[string]any{"htm": "GET"})}, false},
		{"another path", []string{good(map[string]any{"htu": "https://as.example/token/"})}, false},
		{"another host", []string{good(map[string]any{"htu": "https://evil.example/token"})}, false},
		{"http", []string{good(map[string]any{"htu": "http://as.example/token"})}, false},
		{"another port", []string{good(map[string]any{"htu": "https://as.example:8443/token"})}, false},
		{"no URL", []string{good(map[string]any{"htu": nil})}, false},
		{"malformed URL", []string{good(map[string]any{"htu": "%zz"})}, false},
		{"old", []string{good(map[string]any{"iat": now - 3600})}, false},
		{"from the future", []string{good(map[string]any{"iat": now + 3600})}, false},
		{"no time", []string{good(map[string]any{"iat": nil})}, false},
		{"time as text", []string{good(map[string]any{"iat": "now"})}, false},
		{"no ID", []string{good(map[string]any{"jti": nil})}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc := newBound(t, nil)
			got := svc.prove("web", secret, tt.proofs, loginPairs...)
			if tt.good {
				got.want(t, 200, "")
				if got.json["token_type"] != "DPoP" {
					t.Errorf("answer %s", got.body)
				}
				svc.prove("web", secret, tt.proofs, loginPairs...).want(t, 400, "invalid_dpop_proof") // twice
				return
			}
			got.want(t, 400, "invalid_dpop_proof")
		})
	}
}

func TestBoundTokens(t *testing.T) {
	t.Parallel()
	signer, other := newSigner(t, "k1"), newSigner(t, "k2")
	svc := newBound(t, withJWT(t, authserver.Dialect{}))
	got := svc.bound(signer, "grant_type", "password", "username", "bob", "password", password)
	access := text(t, got, "access_token")
	if svc.valid(access) {
		t.Error("a guard that sees no proof would take it")
	}
	jkt := `{"jkt":"` + signer.Thumbprint() + `"}`
	if claims := svc.checked("at+jwt", resource, access); string(claims.Get("cnf")) != jkt {
		t.Errorf("claims %s", claims.Payload)
	}
	told := svc.post("/introspect", "token", access)
	if cnf, _ := told.json["cnf"].(map[string]any); cnf["jkt"] != signer.Thumbprint() || told.json["token_type"] != "DPoP" {
		t.Errorf("introspection %s", told.body)
	}
	if told := svc.post("/introspect", "token", text(t, got, "refresh_token")); told.json["active"] != true || told.json["cnf"] != nil {
		t.Errorf("introspection of a refresh token that the client's secret protects: %s", told.body)
	}
	sum := sha256.Sum256([]byte(access))
	ath := base64.RawURLEncoding.EncodeToString(sum[:])
	proof := func(signer *jose.Signer, ath any) string {
		return proofOf(t, signer, "dpop+jwt", "/userinfo", map[string]any{"htm": "GET", "ath": ath})
	}
	used := proof(signer, ath)
	for _, tt := range []struct {
		name, authorization, proof string
		status                     int
		challenge                  string
	}{
		{"good", "DPoP " + access, used, 200, ""},
		{"proof twice", "DPoP " + access, used, 401, "DPoP"},
		{"in small letters", "dpop " + access, proof(signer, ath), 200, ""},
		{"as a bearer token", "Bearer " + access, proof(signer, ath), 401, "Bearer"},
		{"no proof", "DPoP " + access, "", 401, "DPoP"},
		{"another key", "DPoP " + access, proof(other, ath), 401, "Bearer"},
		{"without the token's hash", "DPoP " + access, proof(signer, nil), 401, "DPoP"},
		{"another token's hash", "DPoP " + access, proof(signer, "x"), 401, "DPoP"},
		{"for another endpoint", "DPoP " + access, proofOf(t, signer, "dpop+jwt", "/token", map[string]any{"htm": "GET", "ath": ath}), 401, "DPoP"},
		{"unknown token", "DPoP x", proof(signer, ath), 401, "Bearer"},
	} {
		r := httptest.NewRequest("GET", "/userinfo", nil)
		r.Header.Set("Authorization", tt.authorization)
		if tt.proof != "" {
			r.Header.Set("DPoP", tt.proof)
		}
		got := svc.do(r)
		if got.StatusCode != tt.status || !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), tt.challenge) {
			t.Errorf("%s: %d %q %s", tt.name, got.StatusCode, got.Header.Get("WWW-Authenticate"), got.body)
		}
	}
	// A bearer token does not become a bound one by its scheme.
	plain := text(t, svc.postAs("other", "other-"+secret, "/token", loginPairs...), "access_token")
	r := httptest.NewRequest("GET", "/userinfo", nil)
	r.Header.Set("Authorization", "DPoP "+plain)
	r.Header.Set("DPoP", proof(signer, ath))
	if got := svc.do(r); got.StatusCode != 401 {
		t.Errorf("a bearer token as DPoP: %d", got.StatusCode)
	}
	svc.post("/revoke", "token", access).want(t, 200, "")
}

func TestBoundRefresh(t *testing.T) {
	t.Parallel()
	signer, other := newSigner(t, "k1"), newSigner(t, "k2")
	refresh := func(svc *service, client, given string, key *jose.Signer, token string) *reply {
		return svc.prove(client, given, []string{proofOf(t, key, "dpop+jwt", "/token", nil)},
			"grant_type", "refresh_token", "refresh_token", token)
	}
	svc := newBound(t, nil)
	got := svc.prove("spa", "", []string{proofOf(t, signer, "dpop+jwt", "/token", nil)}, loginPairs...)
	token := text(t, got, "refresh_token")
	refresh(svc, "spa", "", other, token).want(t, 400, "invalid_grant")
	svc.postAs("", "", "/token", "grant_type", "refresh_token", "client_id", "spa", "refresh_token", token).want(t, 400, "invalid_dpop_proof")
	second := text(t, refresh(svc, "spa", "", signer, token), "refresh_token")
	refresh(svc, "spa", "", other, token).want(t, 400, "invalid_grant") // who has no key ends nothing
	third := refresh(svc, "spa", "", signer, second)
	text(t, third, "refresh_token")

	// A client with a secret may change its key, but not within a grace: the successor is bound.
	svc = newBound(t, withDialect(authserver.Dialect{Grace: time.Minute}))
	token = text(t, svc.bound(signer, loginPairs...), "refresh_token")
	first := refresh(svc, "web", secret, other, token)
	if again := refresh(svc, "web", secret, other, token); text(t, again, "access_token") != text(t, first, "access_token") ||
		again.json["token_type"] != "DPoP" {
		t.Errorf("again: %s", again.body)
	}
	refresh(svc, "web", secret, signer, token).want(t, 400, "invalid_grant")
}

func TestBoundCode(t *testing.T) {
	t.Parallel()
	signer, other := newSigner(t, "k1"), newSigner(t, "k2")
	svc := newBound(t, nil)
	pairs := func(code string) []string {
		return []string{"grant_type", "authorization_code", "code", code, "redirect_uri", "https://app.example/callback"}
	}
	code := svc.allow(codeQuery + "&dpop_jkt=" + signer.Thumbprint()).Get("code")
	svc.bound(other, pairs(code)...).want(t, 400, "invalid_grant")
	svc.bound(signer, pairs(code)...).want(t, 200, "")
	svc.bound(other, pairs(svc.allow(codeQuery).Get("code"))...).want(t, 200, "")
	if got := svc.bound(signer, "grant_type", "client_credentials"); got.json["token_type"] != "DPoP" {
		t.Errorf("client credentials: %s", got.body)
	}
}

func TestProofNonces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer := newSigner(t, "k1")
		svc := newBound(t, func(set *setup) { set.options.DPoPNonces = true })
		twin := newBound(t, func(set *setup) { set.options.DPoPNonces = true })
		try := func(svc *service, nonce any) *reply {
			return svc.prove("web", secret, []string{proofOf(t, signer, "dpop+jwt", "/token", map[string]any{"nonce": nonce})}, loginPairs...)
		}
		got := try(svc, nil)
		got.want(t, 400, "use_dpop_nonce")
		nonce := got.Header.Get("DPoP-Nonce")
		if nonce == "" {
			t.Fatal("no nonce")
		}
		for _, wrong := range []any{"", "x", "???", nonce + "AA", try(twin, nil).Header.Get("DPoP-Nonce")} {
			try(svc, wrong).want(t, 400, "use_dpop_nonce")
		}
		got = try(svc, nonce)
		got.want(t, 200, "")
		if got.Header.Get("DPoP-Nonce") == "" {
			t.Error("no nonce for the next one")
		}
		time.Sleep(5*time.Minute - time.Second)
		try(svc, nonce).want(t, 200, "")
		time.Sleep(2 * time.Second)
		try(svc, nonce).want(t, 400, "use_dpop_nonce")
	})
}

func TestProofWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer := newSigner(t, "k1")
		svc := newBound(t, nil)
		for seconds, status := range map[int64]int{-121: 400, -119: 200, 0: 200, 120: 200, 121: 400} {
			proof := proofOf(t, signer, "dpop+jwt", "/token", map[string]any{"iat": time.Now().Unix() + seconds})
			if got := svc.prove("web", secret, []string{proof}, loginPairs...); got.StatusCode != status {
				t.Errorf("%d s from now: %d %s", seconds, got.StatusCode, got.body)
			}
		}
	})
}

func TestEachProofWorksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer := newSigner(t, "k1")
		svc := newBound(t, func(set *setup) { set.delay = 2 * time.Millisecond })
		for i, round := range rounds(svc, func() string { return proofOf(t, signer, "dpop+jwt", "/token", nil) }, func(proof string) *reply {
			got := svc.prove("web", secret, []string{proof}, "grant_type", "client_credentials")
			if got.StatusCode != 200 {
				got.want(t, 400, "invalid_dpop_proof")
				got.json = map[string]any{"error": "invalid_grant"} // what rounds expects of a loser
			}
			return got
		}) {
			if len(round) != 1 {
				t.Errorf("round %d: %d successes", i, len(round))
			}
		}
	})
}

func TestDPoPFaults(t *testing.T) {
	t.Parallel()
	tokens := newService(t, nil).tokens
	for name, tt := range map[string]struct {
		client authserver.Client
		issuer string
	}{
		"no issuer": {authserver.Client{ID: "x", Secret: "x", DPoP: true, Grants: []string{"client_credentials"}}, ""},
		"implicit":  {authserver.Client{ID: "x", Secret: "x", DPoP: true, Grants: []string{"implicit"}, RedirectURIs: []string{"https://a.example/"}}, "https://as.example"},
		"reissue":   {authserver.Client{ID: "x", Secret: "x", DPoP: true, Grants: []string{"password"}, Dialect: &authserver.Dialect{Reissue: true}}, "https://as.example"},
	} {
		if _, err := authserver.New(tokens, users, []authserver.Client{tt.client}, &authserver.Options{Issuer: tt.issuer}); err == nil {
			t.Errorf("taken: %s", name)
		}
	}
	svc := newBound(t, nil)
	svc.mux.Handle("/m", svc.Metadata(authserver.Endpoints{}))
	if got := svc.do(httptest.NewRequest("GET", "/m", nil)); got.json["dpop_signing_alg_values_supported"] == nil {
		t.Errorf("metadata %s", got.body)
	}
}
