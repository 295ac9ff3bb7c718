package authserver_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
)

func TestRevoke(t *testing.T) {
	t.Parallel()
	t.Run("an access token goes alone", func(t *testing.T) {
		t.Parallel()
		svc := newService(t, nil)
		access, refresh := svc.login()
		for range 2 { // RFC 7009 section 2.2: a token that is dead already is a success
			svc.post("/revoke", "token", access).want(t, 200, "")
		}
		if svc.valid(access) {
			t.Error("the token is still valid")
		}
		svc.refresh(refresh).want(t, 200, "")
	})
	t.Run("a refresh token takes all with it", func(t *testing.T) {
		t.Parallel()
		svc := newService(t, nil)
		access, refresh := svc.login()
		second := text(t, svc.refresh(refresh), "refresh_token")
		svc.post("/revoke", "token", second, "token_type_hint", "access_token").want(t, 200, "") // a wrong hint
		if svc.valid(access) {
			t.Error("the access token is still valid")
		}
		svc.refresh(second).want(t, 400, "invalid_grant")
	})
	t.Run("a client's own token", func(t *testing.T) {
		t.Parallel()
		svc := newService(t, nil)
		access := text(t, svc.post("/token", "grant_type", "client_credentials"), "access_token")
		svc.post("/revoke", "token", access).want(t, 200, "")
		if svc.valid(access) {
			t.Error("the token is still valid")
		}
	})
	t.Run("errors", func(t *testing.T) {
		t.Parallel()
		svc := newService(t, nil)
		access, refresh := svc.login()
		svc.post("/revoke", "token", "unknown").want(t, 200, "")
		svc.post("/revoke").want(t, 400, "invalid_request")
		svc.post("/revoke", "token", access, "token", access).want(t, 400, "invalid_request")
		svc.postAs("web", "wrong", "/revoke", "token", access).want(t, 401, "invalid_client")
		svc.postAs("other", "other-"+secret, "/revoke", "token", access).want(t, 400, "unauthorized_client")
		svc.postAs("spa", "", "/revoke", "token", refresh).want(t, 400, "unauthorized_client")
		if !svc.valid(access) {
			t.Error("another client revoked the token")
		}
		svc.do(httptest.NewRequest("GET", "/revoke?token="+access, nil)).want(t, 405, "invalid_request")
	})
}

// A revoked token must not come back as an unexpired one.
func TestReissueAfterRevocation(t *testing.T) {
	t.Parallel()
	svc := newService(t, withDialect(authserver.Dialect{Reissue: true, Rotation: authserver.RotateNever}))
	first, refresh := svc.login()
	if again, _ := svc.login(); again != first {
		t.Fatal("not issued again")
	}
	svc.post("/revoke", "token", first)
	second, _ := svc.login()
	if second == first || !svc.valid(second) {
		t.Error("a revoked access token was issued again")
	}
	svc.post("/revoke", "token", refresh)
	third, _ := svc.login()
	if !svc.valid(third) {
		t.Error("a token of an ended login was issued again")
	}
}

func TestIntrospect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, nil)
		access, refresh := svc.login("scope", "read")
		now := float64(time.Now().Unix())
		got := svc.postAs("api", secret, "/introspect", "token", access)
		got.want(t, 200, "")
		want := map[string]any{
			"active": true, "scope": "read", "client_id": "web", "token_type": "Bearer", "sub": "user-1",
			"iss": "https://as.example", "iat": now, "exp": now + 3600,
		}
		if !reflect.DeepEqual(got.json, want) {
			t.Errorf("answer %s", got.body)
		}
		active := func(client, given, token string) bool {
			got := svc.postAs(client, given, "/introspect", "token", token)
			got.want(t, 200, "")
			if got.json["active"] == false && len(got.json) != 1 {
				t.Errorf("an inactive token tells %s", got.body)
			}
			return got.json["active"] == true
		}
		for _, tt := range []struct {
			name, client, given, token string
			want                       bool
		}{
			{"own", "web", secret, access, true},
			{"own refresh token", "web", secret, refresh, true},
			{"another client's", "other", "other-" + secret, access, false},
			{"another client's refresh token", "api", secret, refresh, false},
			{"unknown", "web", secret, "x", false},
		} {
			if active(tt.client, tt.given, tt.token) != tt.want {
				t.Errorf("%s: active is not %v", tt.name, tt.want)
			}
		}
		svc.refresh(refresh)
		if active("web", secret, refresh) {
			t.Error("a spent refresh token is active")
		}
		svc.post("/introspect").want(t, 400, "invalid_request")
		svc.postAs("spa", "", "/introspect", "token", access).want(t, 401, "invalid_client")
		svc.postAs("", "", "/introspect", "token", access, "client_id", "spa").want(t, 400, "invalid_client")
		svc.postAs("", "", "/introspect", "token", access).want(t, 400, "invalid_client")
		time.Sleep(time.Hour)
		if active("api", secret, access) {
			t.Error("an expired token is active")
		}
	})
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	svc := newService(t, func(set *setup) {
		set.options.UserInfo = func(_ context.Context, rec *store.Record) (any, error) {
			switch rec.Subject {
			case "user-2":
				return nil, errors.New("canary: directory down")
			case "user-3":
				return nil, store.ErrNotFound
			}
			return map[string]string{"name": "Alice", "id": rec.Subject}, nil
		}
	})
	svc.mux.Handle("/write-info", svc.UserInfo("write"))
	ask := func(path string, headers ...string) *reply {
		r := httptest.NewRequest("GET", path, nil)
		r.Header["Authorization"] = headers
		return svc.do(r)
	}
	access, refresh := svc.login("scope", "read")
	machine := text(t, svc.post("/token", "grant_type", "client_credentials"), "access_token")
	bob := text(t, svc.post("/token", "grant_type", "password", "username", "bob", "password", password), "access_token")
	for _, tt := range []struct {
		name, path string
		headers    []string
		status     int
		challenge  string
		body       string
	}{
		{"good", "/userinfo", []string{"Bearer " + access}, 200, "", `{"id":"user-1","name":"Alice"}`},
		{"in small letters", "/userinfo", []string{"bearer " + access}, 200, "", `{"id":"user-1","name":"Alice"}`},
		{"nothing", "/userinfo", nil, 401, `Bearer realm="userinfo"`, ""},
		{"unknown", "/userinfo", []string{"Bearer x"}, 401, `Bearer realm="userinfo", error="invalid_token"`, "invalid_token"},
		{"empty", "/userinfo", []string{"Bearer"}, 400, `Bearer realm="userinfo", error="invalid_request"`, "invalid_request"},
		{"long", "/userinfo", []string{"Bearer " + strings.Repeat("x", 1<<16)}, 401, `Bearer realm="userinfo", error="invalid_token"`, "invalid_token"},
		{"refresh token", "/userinfo", []string{"Bearer " + refresh}, 401, `Bearer realm="userinfo", error="invalid_token"`, "invalid_token"},
		{"client's own token", "/userinfo", []string{"Bearer " + machine}, 401, `Bearer realm="userinfo", error="invalid_token"`, "invalid_token"},
		{"Basic", "/userinfo", []string{"Basic " + access}, 401, `Bearer realm="userinfo"`, ""},
		{"twice", "/userinfo", []string{"Bearer " + access, "Bearer " + access}, 400, `Bearer realm="userinfo", error="invalid_request"`, "invalid_request"},
		{"scope", "/write-info", []string{"Bearer " + access}, 403, `Bearer realm="userinfo", error="insufficient_scope", scope="write"`, "insufficient_scope"},
		{"callback fails", "/userinfo", []string{"Bearer " + bob}, 503, "", "temporarily_unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(tt.path, tt.headers...)
			if got.StatusCode != tt.status || got.Header.Get("WWW-Authenticate") != tt.challenge || !strings.Contains(got.body, tt.body) {
				t.Errorf("status %d, challenge %q: %s", got.StatusCode, got.Header.Get("WWW-Authenticate"), got.body)
			}
			if strings.Contains(got.body+svc.logs.String(), "canary") {
				t.Error("the callback's error got out")
			}
		})
	}
	plain := newService(t, nil)
	access, _ = plain.login()
	r := httptest.NewRequest("POST", "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	if got := plain.do(r); got.json["sub"] != "user-1" {
		t.Errorf("answer %s", got.body)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	const path = "/.well-known/oauth-authorization-server"
	svc.mux.Handle(path, svc.Metadata(authserver.Endpoints{
		Authorize: "/oauth2/authorize/", Token: "/oauth2/token/", Revoke: "https://other.example/revoke", Introspect: "/introspect",
	}))
	got := svc.do(httptest.NewRequest("GET", path, nil))
	list := func(texts ...string) []any {
		var all []any
		for _, text := range texts {
			all = append(all, text)
		}
		return all
	}
	want := map[string]any{
		"issuer":                 "https://as.example",
		"authorization_endpoint": "https://as.example/oauth2/authorize/",
		"token_endpoint":         "https://as.example/oauth2/token/",
		"revocation_endpoint":    "https://other.example/revoke",
		"introspection_endpoint": "https://as.example/introspect",
		"scopes_supported":       list("read", "write"), "response_types_supported": list("code"),
		"grant_types_supported":                          list("authorization_code", "client_credentials", "password", "refresh_token"),
		"token_endpoint_auth_methods_supported":          list("client_secret_basic", "client_secret_post", "none"),
		"revocation_endpoint_auth_methods_supported":     list("client_secret_basic", "client_secret_post", "none"),
		"introspection_endpoint_auth_methods_supported":  list("client_secret_basic", "client_secret_post"),
		"code_challenge_methods_supported":               list("S256"),
		"authorization_response_iss_parameter_supported": true,
		"request_uri_parameter_supported":                false,
	}
	if got.StatusCode != 200 || !reflect.DeepEqual(got.json, want) {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
	if got := svc.do(httptest.NewRequest("POST", path, nil)); got.StatusCode != 405 {
		t.Errorf("POST: status %d", got.StatusCode)
	}
	confidential := newService(t, func(set *setup) { set.clients = set.clients[:2] })
	confidential.mux.Handle(path, confidential.Metadata(authserver.Endpoints{}))
	got = confidential.do(httptest.NewRequest("GET", path, nil))
	if !reflect.DeepEqual(got.json["token_endpoint_auth_methods_supported"], list("client_secret_basic", "client_secret_post")) {
		t.Errorf("without public clients: %s", got.body)
	}
	nameless := newService(t, func(set *setup) { set.options.Issuer = "" })
	nameless.mux.Handle(path, nameless.Metadata(authserver.Endpoints{Token: "/token"}))
	if got := nameless.do(httptest.NewRequest("GET", path, nil)); got.StatusCode != 404 {
		t.Errorf("without an issuer: status %d", got.StatusCode)
	}
	if told := nameless.allow(codeQuery); told.Has("iss") {
		t.Errorf("told %v without an issuer", told)
	}
}

func TestEndSubject(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	firstAccess, firstRefresh := svc.login()
	secondAccess, _ := svc.login()
	code := svc.allow(codeQuery).Get("code")
	bob := text(t, svc.post("/token", "grant_type", "password", "username", "bob", "password", password), "access_token")
	machine := text(t, svc.post("/token", "grant_type", "client_credentials"), "access_token")
	session, err := svc.tokens.Put(t.Context(), store.NewCredential("session"), &store.Record{
		ID: "x", Subject: "user-1", Provider: "google", Token: store.Token{Extra: []byte(`{"client_id":"web"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.EndSubject(t.Context(), "user-1"); err != nil {
		t.Fatal(err)
	}
	if svc.valid(firstAccess) || svc.valid(secondAccess) {
		t.Error("an access token survived")
	}
	svc.refresh(firstRefresh).want(t, 400, "invalid_grant")
	svc.redeem(code).want(t, 400, "invalid_grant")
	if !svc.valid(bob) || !svc.valid(machine) {
		t.Error("a token of another subject has ended")
	}
	if _, err := svc.tokens.Get(t.Context(), session.Handle); err != nil {
		t.Errorf("a record of somebody else: %v", err)
	}
	for _, subject := range []string{"", "nobody"} {
		if err := svc.EndSubject(t.Context(), subject); err != nil {
			t.Errorf("subject %q: %v", subject, err)
		}
	}
	svc.tokens.failNext(1, false) // listing is not counted, so this is the ending
	if err := svc.EndSubject(t.Context(), "user-2"); !errors.Is(err, errDown) {
		t.Errorf("error %v", err)
	}
	bare, err := authserver.New(struct{ store.TokenStore }{svc.tokens}, users, plainClients(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.EndSubject(t.Context(), "user-1"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v, want ErrUnsupported", err)
	}
}

// A client that is taken out of the configuration takes its tokens with it.
func TestClientGone(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	access, _ := svc.login()
	without, err := authserver.New(svc.tokens, users, plainClients()[1:], nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := without.Verify(t.Context(), access); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	with, err := authserver.New(svc.tokens, users, plainClients(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := with.Verify(t.Context(), access); err != nil || rec.Subject != "user-1" {
		t.Errorf("another server on the same store: %v", err)
	}
}

// More logins than one page of a listing.
func TestEndSubjectOfManyLogins(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	var all []string
	for range 230 {
		access, _ := svc.login()
		all = append(all, access)
	}
	if err := svc.EndSubject(t.Context(), "user-1"); err != nil {
		t.Fatal(err)
	}
	for _, access := range all {
		if svc.valid(access) {
			t.Fatal("a login survived")
		}
	}
}
