package authserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// Whatever call of the store fails, before or after its effect, the answer is 503, nothing leaks, and the same request
// works as soon as the store does: no credential is lost.
func TestStoreFailures(t *testing.T) {
	t.Parallel()
	dialect := authserver.Dialect{Reissue: true}
	for _, tt := range []struct {
		name  string
		setup func(svc *service) string // returns the credential
		do    func(svc *service, credential string) *reply
	}{
		{
			"password", func(*service) string { return "" },
			func(svc *service, _ string) *reply {
				return svc.post("/token", "grant_type", "password", "username", "bob", "password", password)
			},
		},
		{
			"code", func(svc *service) string { return svc.allow(codeQuery).Get("code") },
			func(svc *service, code string) *reply { return svc.redeem(code) },
		},
		{
			"refresh", func(svc *service) string { _, refresh := svc.login(); return refresh },
			func(svc *service, token string) *reply { return svc.refresh(token) },
		},
		{
			"client credentials", func(*service) string { return "" },
			func(svc *service, _ string) *reply { return svc.post("/token", "grant_type", "client_credentials") },
		},
		{
			"revoke access", func(svc *service) string { access, _ := svc.login(); return access },
			func(svc *service, token string) *reply { return svc.post("/revoke", "token", token) },
		},
		{
			"revoke refresh", func(svc *service) string { _, refresh := svc.login(); return refresh },
			func(svc *service, token string) *reply { return svc.post("/revoke", "token", token) },
		},
		{
			"introspect", func(svc *service) string { access, _ := svc.login(); return access },
			func(svc *service, token string) *reply { return svc.post("/introspect", "token", token) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t, withDialect(dialect))
			credential := tt.setup(svc)
			svc.tokens.failNext(0, false)
			tt.do(svc, credential).want(t, 200, "")
			calls := svc.tokens.failNext(0, false)
			for n := 1; n <= calls; n++ {
				for _, after := range []bool{false, true} {
					t.Run(fmt.Sprintf("call %d of %d, after %v", n, calls, after), func(t *testing.T) {
						svc := newService(t, withDialect(dialect))
						svc.t = t
						credential := tt.setup(svc)
						svc.tokens.failNext(n, after)
						got := tt.do(svc, credential)
						if got.StatusCode != http.StatusOK { // which is as good: some failures can be repaired
							got.want(t, 503, "temporarily_unavailable")
							if !strings.Contains(svc.logs.String(), "engine is down") {
								t.Errorf("the log does not tell why: %s", svc.logs)
							}
							svc.tokens.failNext(0, false)
							got = tt.do(svc, credential)
							got.want(t, 200, "")
						}
						svc.tokens.failNext(0, false)
						if access, ok := got.json["access_token"].(string); ok && !svc.valid(access) {
							t.Error("the token that was told is not valid")
						}
						if strings.HasPrefix(tt.name, "revoke") && svc.introspects(credential) {
							t.Error("the token that was revoked is active")
						}
						if strings.Contains(svc.logs.String(), "canary") || (credential != "" && strings.Contains(svc.logs.String(), credential)) {
							t.Errorf("a secret got out: %s", svc.logs)
						}
					})
				}
			}
		})
	}
}

// With a grace even an outage in the middle of the rotation loses nothing: the second try finds what the first has done.
func TestOutageWithinGrace(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 6; n++ {
		t.Run(fmt.Sprintf("from call %d on", n), func(t *testing.T) {
			t.Parallel()
			svc := newService(t, withDialect(authserver.Dialect{Grace: time.Minute}))
			_, refresh := svc.login()
			svc.tokens.failFrom(n)
			if got := svc.refresh(refresh); got.StatusCode != 200 {
				got.want(t, 503, "temporarily_unavailable")
				svc.tokens.failNext(0, false)
				got = svc.refresh(refresh)
				if !svc.valid(text(t, got, "access_token")) {
					t.Error("the token that was told is not valid")
				}
				text(t, svc.refresh(text(t, got, "refresh_token")), "refresh_token")
			}
		})
	}
}

func TestUsersFailure(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	got := svc.post("/token", "grant_type", "password", "username", "broken", "password", password)
	got.want(t, 503, "temporarily_unavailable")
	if strings.Contains(got.body+svc.logs.String(), "canary") || !strings.Contains(svc.logs.String(), "Users callback") {
		t.Errorf("the log: %s", svc.logs)
	}
}

// No credential, code or password of any flow is in a log at debug level.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	code := svc.allow(codeQuery + "&code_challenge_method=S256&code_challenge=" + challenge).Get("code")
	got := svc.post("/token", "grant_type", "authorization_code", "code", code, "code_verifier", verifier,
		"redirect_uri", "https://app.example/callback")
	access, refresh := text(t, got, "access_token"), text(t, got, "refresh_token")
	second := text(t, svc.refresh(refresh), "refresh_token")
	svc.refresh(refresh)
	svc.post("/introspect", "token", access)
	svc.post("/revoke", "token", second)
	svc.post("/token", "grant_type", "x\n"+password, "client_id", "web")
	svc.postAs("no\nbody-"+secret, "x", "/token", "grant_type", "password")
	logs := svc.logs.String()
	for _, s := range []string{"canary", code, access, refresh, second, challenge, "S1", "alice", "body-"} {
		if strings.Contains(logs, s) {
			t.Errorf("the log holds %q:\n%s", s, logs)
		}
	}
	// page answered, token, refresh, reuse, introspect, revoke, two errors
	if n := strings.Count(logs, "\n"); n != 8 {
		t.Errorf("%d log lines, want 8:\n%s", n, logs)
	}
	for _, part := range []string{"grant=authorization_code", "grant=refresh_token", "client=web", "status=200", "status=400", "error=invalid_grant", "client=unknown"} {
		if !strings.Contains(logs, part) {
			t.Errorf("the log lacks %s:\n%s", part, logs)
		}
	}
}
