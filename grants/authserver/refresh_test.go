package authserver_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

func text(t *testing.T, got *reply, member string) string {
	t.Helper()
	got.want(t, 200, "")
	s, ok := got.json[member].(string)
	if !ok {
		t.Fatalf("no %s: %s", member, got.body)
	}
	return s
}

func withDialect(d authserver.Dialect) func(*setup) {
	return func(set *setup) { set.clients[0].Dialect = &d }
}

func TestRotation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		dialect  authserver.Dialect
		again    int  // the answer to the old token's second use
		survives bool // the successor, after that
		rotates  bool
	}{
		{"revoke", authserver.Dialect{}, 400, false, true},
		{"rotate only", authserver.Dialect{Rotation: authserver.RotateOnly}, 400, true, true},
		{"never", authserver.Dialect{Rotation: authserver.RotateNever}, 200, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t, withDialect(tt.dialect))
			firstAccess, first := svc.login()
			got := svc.refresh(first)
			second, access := text(t, got, "refresh_token"), text(t, got, "access_token")
			if (first != second) != tt.rotates || access == firstAccess {
				t.Errorf("rotated: %v, want %v; new access token: %v", first != second, tt.rotates, access != firstAccess)
			}
			if got := svc.refresh(first); got.StatusCode != tt.again {
				t.Errorf("second use: status %d, want %d", got.StatusCode, tt.again)
			}
			if svc.valid(access) != tt.survives || svc.valid(firstAccess) != tt.survives {
				t.Errorf("access tokens valid: %v, %v, want %v", svc.valid(firstAccess), svc.valid(access), tt.survives)
			}
			if got := svc.refresh(second); (got.StatusCode == 200) != tt.survives {
				t.Errorf("the successor: status %d", got.StatusCode)
			}
		})
	}
}

func TestReuseEndsOneLoginOnly(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	_, first := svc.login()
	other, _ := svc.login()
	text(t, svc.refresh(first), "refresh_token")
	svc.refresh(first).want(t, 400, "invalid_grant")
	if !svc.valid(other) {
		t.Error("another login of the same user has ended")
	}
}

func TestGraceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withDialect(authserver.Dialect{Grace: 10 * time.Second}))
		_, first := svc.login()
		got := svc.refresh(first)
		second, access := text(t, got, "refresh_token"), text(t, got, "access_token")
		time.Sleep(10*time.Second - time.Millisecond)
		again := svc.refresh(first)
		if text(t, again, "refresh_token") != second || text(t, again, "access_token") != access {
			t.Error("another successor within the grace")
		}
		if again.json["expires_in"] != 3590.0 { // rounded down
			t.Errorf("expires_in %v, want what is left", again.json["expires_in"])
		}
		svc.refresh(first, "scope", "read").want(t, 400, "invalid_scope")
		time.Sleep(time.Millisecond)
		svc.refresh(first).want(t, 400, "invalid_grant")
		svc.refresh(second).want(t, 400, "invalid_grant")
	})
}

// A dialect that gets a grace does not give one to tokens that were spent before.
func TestGraceThatCameLater(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	_, first := svc.login()
	text(t, svc.refresh(first), "refresh_token")
	later, err := authserver.New(svc.tokens, users, []authserver.Client{
		{ID: "web", Secret: secret, Grants: []string{"refresh_token"}, Dialect: &authserver.Dialect{Grace: time.Minute}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	svc.mux.Handle("/later", later.Token())
	svc.post("/later", "grant_type", "refresh_token", "refresh_token", first).want(t, 400, "invalid_grant")
}

func TestUnrotatedLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withDialect(authserver.Dialect{
			Rotation: authserver.RotateNever, RefreshTTL: 2 * time.Hour, RefreshExpiresIn: true,
		}))
		_, token := svc.login()
		time.Sleep(30 * time.Minute)
		if got := svc.refresh(token); got.json["refresh_token_expires_in"] != 5400.0 {
			t.Errorf("refresh_token_expires_in %v, want what is left", got.json["refresh_token_expires_in"])
		}
	})
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	d := authserver.Dialect{AccessTTL: time.Minute, RefreshTTL: time.Hour, GrantTTL: 3 * time.Hour, RefreshExpiresIn: true}
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withDialect(d))
		access, token := svc.login()
		time.Sleep(time.Minute - time.Millisecond)
		if !svc.valid(access) {
			t.Error("the access token died early")
		}
		time.Sleep(time.Millisecond)
		if svc.valid(access) {
			t.Error("the access token lives on")
		}
		for range 3 { // each use within the idle lifetime starts a new one
			time.Sleep(58 * time.Minute)
			token = text(t, svc.refresh(token), "refresh_token")
		}
		// 2 h 55 min have passed: what is given now must not outlive the grant
		got := svc.refresh(token)
		token = text(t, got, "refresh_token")
		if got.json["refresh_token_expires_in"] != 300.0 {
			t.Errorf("refresh_token_expires_in %v, want what is left of the grant", got.json["refresh_token_expires_in"])
		}
		time.Sleep(5*time.Minute - 30*time.Second)
		got = svc.refresh(token)
		if got.json["expires_in"] != 30.0 {
			t.Errorf("expires_in %v, want what is left of the grant", got.json["expires_in"])
		}
		token = text(t, got, "refresh_token")
		time.Sleep(30 * time.Second)
		svc.refresh(token).want(t, 400, "invalid_grant")

		_, idle := svc.login()
		time.Sleep(time.Hour)
		svc.refresh(idle).want(t, 400, "invalid_grant")
	})
}

func TestScopeNeverWidens(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	_, token := svc.login("scope", "read")
	svc.refresh(token, "scope", "read write").want(t, 400, "invalid_scope")
	svc.refresh(token, "scope", "write").want(t, 400, "invalid_scope")
	got := svc.refresh(token)
	if text(t, got, "scope") != "read" {
		t.Errorf("scope %v", got.json["scope"])
	}

	_, token = svc.login()
	got = svc.refresh(token, "scope", "write")
	if text(t, got, "scope") != "write" {
		t.Errorf("scope %v", got.json["scope"])
	}
	for member, scope := range map[string]string{"access_token": "write", "refresh_token": "read write"} {
		if told := svc.post("/introspect", "token", text(t, got, member)); told.json["scope"] != scope {
			t.Errorf("introspection of the %s: %s", member, told.body)
		}
	}
	// The access token was narrowed, the login was not.
	got = svc.refresh(text(t, got, "refresh_token"))
	if text(t, got, "scope") != "read write" {
		t.Errorf("scope %v after a narrower refresh", got.json["scope"])
	}
}

func TestRefreshByAnotherClient(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	access, token := svc.login()
	for range 2 {
		svc.postAs("other", "other-"+secret, "/token", "grant_type", "refresh_token", "refresh_token", token).
			want(t, 400, "invalid_grant")
	}
	svc.refresh(access).want(t, 400, "invalid_grant") // an access token refreshes nothing
	text(t, svc.refresh(token), "refresh_token")
	if svc.valid(token) {
		t.Error("a refresh token passes for an access token")
	}
}
