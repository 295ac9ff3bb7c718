package authserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// replicas are two processes with one store.
func replicas(t *testing.T, change func(*setup)) (one, two *service) {
	t.Helper()
	var clients []authserver.Client
	var options authserver.Options
	one = newService(t, func(set *setup) {
		if change != nil {
			change(set)
		}
		clients, options = set.clients, set.options
	})
	server, err := authserver.New(one.tokens, users, clients, &options)
	if err != nil {
		t.Fatal(err)
	}
	two = &service{Server: server, t: t, mux: http.NewServeMux(), tokens: one.tokens, logs: one.logs}
	two.mux.Handle("/token", server.Token())
	two.mux.Handle("/userinfo", server.UserInfo())
	two.mux.Handle("/revoke", server.Revoke())
	return one, two
}

// A token that was spent at one process is known as spent at the other, whatever the grace, and its reuse ends the login
// at both.
func TestReuseAtAnotherReplica(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		grace time.Duration
		rule  authserver.GraceRule
	}{
		"none": {0, authserver.GraceSame}, "same": {time.Minute, authserver.GraceSame}, "sibling": {time.Minute, authserver.GraceSibling},
		"newest": {time.Minute, authserver.GraceNewest}, "previous": {time.Minute, authserver.GracePrevious},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				one, two := replicas(t, withDialect(authserver.Dialect{Grace: tt.grace, GraceRule: tt.rule}))
				_, stolen := one.login()
				got := two.refresh(stolen)
				access, next := text(t, got, "access_token"), text(t, got, "refresh_token")
				time.Sleep(tt.grace)
				one.refresh(stolen).want(t, 400, "invalid_grant")
				for _, svc := range []*service{one, two} {
					if svc.valid(access) {
						t.Error("the access token lives on")
					}
					svc.refresh(next).want(t, 400, "invalid_grant")
				}
			})
		})
	}
}

// What was shown to one process is no news to another: a code, an assertion, a proof.
func TestReplayAtAnotherReplica(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1")
	one, two := replicas(t, func(set *setup) {
		set.clients[1].DPoP = true
		set.clients = append(set.clients, authserver.Client{
			ID: "signs", Keys: jose.KeySet{signer.Key()}, Grants: []string{"client_credentials"}, Scopes: []string{"read"},
		})
	})
	claim := assertion(t, signer, "", nil)
	one.assert(claim).want(t, 200, "")
	two.assert(claim).want(t, 400, "invalid_client")

	proof := []string{proofOf(t, signer, "dpop+jwt", "/token", nil)}
	one.prove("other", "other-"+secret, proof, loginPairs...).want(t, 200, "")
	two.prove("other", "other-"+secret, proof, loginPairs...).want(t, 400, "invalid_dpop_proof")

	pairs := []string{"grant_type", "authorization_code", "code", one.allow(codeQuery).Get("code"), "redirect_uri", "https://app.example/callback"}
	access := text(t, two.post("/token", pairs...), "access_token")
	one.post("/token", pairs...).want(t, 400, "invalid_grant")
	if two.valid(access) {
		t.Error("what the code gave lives on")
	}
}

// Only the header and the body say who a client is and what it wants: a query neither adds to them nor is a second one.
func TestQueryOfATokenRequest(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	own := form("grant_type", "client_credentials", "client_id", "web", "client_secret", secret)
	for _, query := range []string{own, "client_id=web", "client_secret=" + secret} {
		svc.postAs("", "", "/token?"+query, "grant_type", "client_credentials").want(t, 400, "invalid_client")
		svc.postAs("web", "x", "/token?"+query, "grant_type", "client_credentials").want(t, 401, "invalid_client")
	}
	got := svc.post("/token?scope=write&grant_type=password&client_id=other", "grant_type", "client_credentials", "scope", "read")
	if text(t, got, "scope") != "read" {
		t.Errorf("answer %s", got.body)
	}
	svc.post("/token?scope=write").want(t, 400, "invalid_request")
}

// An authorize page that is mounted for one dialect serves nobody else's clients, and takes no other page's answers.
func TestAuthorizeOfOneDialect(t *testing.T) {
	t.Parallel()
	partners := &authserver.Dialect{}
	svc := newService(t, func(set *setup) { set.clients[1].Dialect = partners })
	svc.mux.Handle("/partners", svc.Authorize(partners))
	get := func(query string) *reply { return svc.do(httptest.NewRequest("GET", "/partners?"+query, nil)) }
	if got := get("response_type=code&client_id=other"); got.StatusCode != 200 {
		t.Fatalf("the partner: %d %s", got.StatusCode, got.body)
	}
	if got := get(codeQuery); got.StatusCode != 400 || got.Header.Get("Location") != "" {
		t.Errorf("another client: %d", got.StatusCode)
	}
	carried, _ := svc.page(codeQuery)
	r := httptest.NewRequest("POST", "/partners", strings.NewReader(form("request", carried, "decision", "deny")))
	r.Header.Set("Content-Type", formBody)
	if got := svc.do(r); got.StatusCode != 400 || got.Header.Get("Location") != "" {
		t.Errorf("another page's answer: %d", got.StatusCode)
	}
}

// Only access tokens open resources, and none does once it was revoked, at whatever process.
func TestTokensOfOtherKinds(t *testing.T) {
	t.Parallel()
	one, two := replicas(t, withJWT(t, authserver.Dialect{}))
	got := one.post("/token", "grant_type", "password", "username", "bob", "password", password, "scope", "openid read")
	access := text(t, got, "access_token")
	userinfo := func(svc *service, token string) int {
		r := httptest.NewRequest("GET", "/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return svc.do(r).StatusCode
	}
	first, _, _ := strings.Cut(access, ".")
	for name, token := range map[string]string{
		"ID token": text(t, got, "id_token"), "refresh token": text(t, got, "refresh_token"), "half": first,
		"a code":    one.allow(codeQuery).Get("code"),
		"lengthier": access + "=", "without signature": access[:strings.LastIndex(access, ".")+1],
	} {
		if status := userinfo(one, token); status != 401 {
			t.Errorf("%s: userinfo answers %d", name, status)
		}
		if one.valid(token) {
			t.Errorf("%s passes for an access token", name)
		}
	}
	if userinfo(one, access) != 200 || userinfo(two, access) != 200 {
		t.Error("the access token itself is refused")
	}
	one.post("/revoke", "token", access).want(t, 200, "")
	if userinfo(one, access) != 401 || userinfo(two, access) != 401 {
		t.Error("the access token outlives its revocation")
	}
}

// A narrower refresh does not leave its wide refresh token for a later login that asked for little.
func TestReissueNeverWidens(t *testing.T) {
	t.Parallel()
	svc := newService(t, withDialect(authserver.Dialect{Reissue: true}))
	_, wide := svc.login("scope", "read write")
	text(t, svc.refresh(wide, "scope", "read"), "access_token")
	access, narrow := svc.login("scope", "read")
	svc.refresh(narrow, "scope", "write").want(t, 400, "invalid_scope")
	if again, _ := svc.login("scope", "read"); again != access {
		t.Error("not issued again")
	}
	// The refresh token of the first login is spent, so that pair is not issued again although its access token lives.
	if _, next := svc.login("scope", "read write"); svc.refresh(next).StatusCode != 200 {
		t.Error("a spent refresh token was issued again")
	}
}

// Whoever signed in at the device page once does not stay so by using it: the password may have changed since.
func TestDevicePageSignsInOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDevices(t, nil)
		carried, _ := svc.enter("BBBB-BBBB")
		for range 2 {
			time.Sleep(7 * time.Minute)
			got := svc.connect("request", carried, "user_code", "BBBB-BBBB")
			if m := hidden.FindStringSubmatch(got.body); m != nil {
				carried = m[1]
			}
		}
		time.Sleep(time.Minute)
		device, user := svc.authorizeDevice()
		if got := svc.connect("request", carried, "user_code", user); got.StatusCode != 400 || !strings.Contains(got.body, "out of date") {
			t.Errorf("still signed in after 15 minutes: %d", got.StatusCode)
		}
		svc.poll(device).want(t, 400, "authorization_pending")
	})
}

// A name that a directory without regard to case takes for bob's gets no attempts of its own.
func TestAttemptsOfOtherSpellings(t *testing.T) {
	t.Parallel()
	const kelvin, longS = "\u212a", "\u017f"
	for _, spellings := range [][]string{
		{"kass", "KASS", kelvin + "ass", "ka" + longS + longS},
		{"σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"},
		{"straẞe", "straße"},
		{"ǆ", "ǅ", "Ǆ"},
		{strings.Repeat("long", 200), strings.Repeat("Long", 200), " " + strings.Repeat("LONG", 200)},
	} {
		svc := newService(t, func(set *setup) { set.options.MaxAttempts = len(spellings) })
		for _, name := range spellings {
			svc.post("/token", "grant_type", "password", "username", name, "password", "guess").want(t, 400, "invalid_grant")
		}
		for _, name := range spellings {
			svc.post("/token", "grant_type", "password", "username", name, "password", "guess").want(t, 429, "temporarily_unavailable")
		}
		svc.post("/token", "grant_type", "password", "username", spellings[0]+"x", "password", "guess").want(t, 400, "invalid_grant")
	}
}

// A pushed request that proves a key binds its code to it, as dpop_jkt does (RFC 9449 section 10.1).
func TestPushedProof(t *testing.T) {
	t.Parallel()
	signer, other := newSigner(t, "k1"), newSigner(t, "k2")
	svc := newBound(t, nil)
	svc.mux.Handle("/par", svc.PushedAuthorization())
	push := func(proof string, pairs ...string) *reply {
		r := httptest.NewRequest("POST", "/par", strings.NewReader(form(append([]string{
			"response_type", "code", "redirect_uri", "https://app.example/callback",
		}, pairs...)...)))
		r.Header.Set("Content-Type", formBody)
		r.SetBasicAuth("web", secret)
		r.Header.Set("DPoP", proof)
		return svc.do(r)
	}
	proof := func() string { return proofOf(t, signer, "dpop+jwt", "/par", nil) }
	for name, pairs := range map[string][]string{"header": nil, "both": {"dpop_jkt", signer.Thumbprint()}} {
		pushed := push(proof(), pairs...)
		pushed.want(t, 201, "")
		uri, _ := pushed.json["request_uri"].(string)
		code := svc.allow(form("client_id", "web", "request_uri", uri)).Get("code")
		redeem := []string{"grant_type", "authorization_code", "code", code, "redirect_uri", "https://app.example/callback"}
		if got := svc.bound(other, redeem...); got.json["error"] != "invalid_grant" {
			t.Errorf("%s: a thief of the code with a key of his own: %d %s", name, got.StatusCode, got.body)
		}
		svc.bound(signer, redeem...).want(t, 200, "")
	}
	push(proof(), "dpop_jkt", other.Thumbprint()).want(t, 400, "invalid_dpop_proof")
	push("x").want(t, 400, "invalid_dpop_proof")
	push(proofOf(t, signer, "dpop+jwt", "/token", nil)).want(t, 400, "invalid_dpop_proof")
}
