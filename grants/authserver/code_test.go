package authserver_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	codeQuery = "response_type=code&client_id=web&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&state=S1"
	verifier  = "canary-verifier-that-is-long-enough-for-rfc-7636"
)

var challenge = func() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

// redeem uses a code of codeQuery.
func (s *service) redeem(code string) *reply {
	s.t.Helper()
	return s.post("/token", "grant_type", "authorization_code", "code", code, "redirect_uri", "https://app.example/callback")
}

func TestCode(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	told := svc.allow(codeQuery)
	if told.Get("state") != "S1" || told.Get("iss") != "https://as.example" || len(told) != 3 {
		t.Errorf("answer %v, want code, state and iss", told)
	}
	got := svc.redeem(told.Get("code"))
	got.want(t, 200, "")
	rec, err := svc.Verify(t.Context(), got.json["access_token"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if rec.Subject != "user-1" || strings.Join(rec.Token.Scopes, " ") != "read write" || rec.Token.AccessToken != "" {
		t.Errorf("record of %q, scopes %v", rec.Subject, rec.Token.Scopes)
	}
	if !strings.Contains(string(rec.Token.Extra), `"client_id":"web"`) {
		t.Errorf("the record does not name its client: %s", rec.Token.Extra)
	}
}

func TestCodeReuseRevokesWhatItGave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, nil)
		code := svc.allow(codeQuery).Get("code")
		first := svc.redeem(code)
		first.want(t, 200, "")
		access, refresh := first.json["access_token"].(string), first.json["refresh_token"].(string)

		// Another client's attempt is no reuse: it must not be able to log anybody out.
		svc.postAs("other", "other-"+secret, "/token", "grant_type", "authorization_code", "code", code,
			"redirect_uri", "https://app.example/callback").want(t, 400, "invalid_grant")
		if !svc.valid(access) {
			t.Fatal("another client revoked the token")
		}
		time.Sleep(30 * time.Minute) // long after the code itself has expired
		svc.redeem(code).want(t, 400, "invalid_grant")
		if svc.valid(access) {
			t.Error("the access token survived")
		}
		svc.refresh(refresh).want(t, 400, "invalid_grant")
	})
}

func TestCodeExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, nil)
		early, late := svc.allow(codeQuery).Get("code"), svc.allow(codeQuery).Get("code")
		time.Sleep(time.Minute - time.Millisecond)
		svc.redeem(early).want(t, 200, "")
		time.Sleep(time.Millisecond)
		svc.redeem(late).want(t, 400, "invalid_grant")
	})
}

func TestCodeIsBound(t *testing.T) {
	t.Parallel()
	plain := codeQuery
	pkce := codeQuery + "&code_challenge_method=S256&code_challenge=" + challenge
	const short = "short-verifier" // whose challenge looks like any other
	sum := sha256.Sum256([]byte(short))
	shortPKCE := codeQuery + "&code_challenge_method=S256&code_challenge=" + base64.RawURLEncoding.EncodeToString(sum[:])
	unnamed := "response_type=code&client_id=other"
	const callback, other = "https://app.example/callback", "https://other.example/cb"
	for _, tt := range []struct {
		name, query, client, redirect, verifier string
		status                                  int
		code                                    string
	}{
		{"good", plain, "web", callback, "", 200, ""},
		{"good with PKCE", pkce, "web", callback, verifier, 200, ""},
		{"another client", plain, "other", callback, "", 400, "invalid_grant"},
		{"no redirect_uri", plain, "web", "", "", 400, "invalid_grant"},
		{"another registered redirect_uri", plain, "web", "https://app.example/other?x=1", "", 400, "invalid_grant"},
		{"redirect_uri with a slash more", plain, "web", callback + "/", "", 400, "invalid_grant"},
		{"missing verifier", pkce, "web", callback, "", 400, "invalid_grant"},
		{"wrong verifier", pkce, "web", callback, strings.Repeat("x", 43), 400, "invalid_grant"},
		{"the challenge as verifier", pkce, "web", callback, challenge, 400, "invalid_grant"},
		{"short verifier", shortPKCE, "web", callback, short, 400, "invalid_grant"},
		{"verifier without challenge", plain, "web", callback, verifier, 400, "invalid_grant"},
		{"redirect_uri never named", unnamed, "other", "", "", 200, ""},
		{"redirect_uri named only here", unnamed, "other", other, "", 200, ""},
		{"wrong redirect_uri named only here", unnamed, "other", callback, "", 400, "invalid_grant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t, nil)
			given := secret
			if tt.client == "other" {
				given = "other-" + secret
			}
			code := svc.allow(tt.query).Get("code")
			pairs := []string{"grant_type", "authorization_code", "code", code}
			if tt.redirect != "" {
				pairs = append(pairs, "redirect_uri", tt.redirect)
			}
			if tt.verifier != "" {
				pairs = append(pairs, "code_verifier", tt.verifier)
			}
			svc.postAs(tt.client, given, "/token", pairs...).want(t, tt.status, tt.code)
		})
	}
}
