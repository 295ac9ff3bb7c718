package authserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

func (s *service) idToken(got *reply) *jose.Claims {
	s.t.Helper()
	claims := s.checked("JWT", "web", text(s.t, got, "id_token"))
	if claims.Text("at_hash") != claims.HalfHash(text(s.t, got, "access_token")) {
		s.t.Error("at_hash is not the access token's")
	}
	return claims
}

func TestIDToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withJWT(t, authserver.Dialect{AccessTTL: 10 * time.Minute, Grace: time.Minute}))
		start := time.Now().Unix()
		code := svc.allow(codeQuery + "&nonce=N%221").Get("code")
		time.Sleep(30 * time.Second)
		first := svc.redeem(code)
		claims := svc.idToken(first)
		if got := claimsBut(t, claims, "exp", "iat", "auth_time", "at_hash"); got !=
			`{"aud":"web","azp":"web","iss":"https://as.example","nonce":"N\"1","sub":"user-1"}` {
			t.Errorf("claims %s", got)
		}
		if string(claims.Get("auth_time")) != itoa(start) || claims.IssuedAt.Unix() != start+30 || claims.Expires.Unix() != start+630 {
			t.Errorf("claims %s at %d", claims.Payload, start)
		}
		if svc.valid(text(t, first, "id_token")) {
			t.Error("an ID token passes for an access token")
		}

		// A refresh tells of the same login, and repeats no nonce (OpenID Connect Core section 12.2).
		time.Sleep(time.Minute)
		second := svc.refresh(text(t, first, "refresh_token"))
		claims = svc.idToken(second)
		if string(claims.Get("auth_time")) != itoa(start) || claims.Get("nonce") != nil || claims.Subject != "user-1" {
			t.Errorf("claims %s", claims.Payload)
		}
		again := svc.refresh(text(t, first, "refresh_token"))
		if svc.idToken(again).Text("at_hash") != claims.Text("at_hash") {
			t.Error("within the grace, an ID token of another access token")
		}
		narrow := svc.refresh(text(t, second, "refresh_token"), "scope", "read")
		if narrow.json["id_token"] != nil {
			t.Error("an ID token without the scope openid")
		}
		svc.idToken(svc.refresh(text(t, narrow, "refresh_token")))
		if _, has := svc.post("/token", "grant_type", "password", "username", "bob", "password", password, "scope", "read").json["id_token"]; has {
			t.Error("an ID token that nobody asked for")
		}
	})
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Where the application has a login of its own, nobody here knows when that was.
func TestIDTokenOfAnotherLogin(t *testing.T) {
	t.Parallel()
	svc := newService(t, func(set *setup) {
		withJWT(t, authserver.Dialect{})(set)
		set.options.Authenticate = func(http.ResponseWriter, *http.Request) (string, bool) { return "user-9", true }
	})
	claims := svc.idToken(svc.redeem(svc.allow(codeQuery).Get("code")))
	if claims.Subject != "user-9" || claims.Get("auth_time") != nil {
		t.Errorf("claims %s", claims.Payload)
	}
}

// A token issued again has an ID token of this login.
func TestIDTokenReissued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withJWT(t, authserver.Dialect{Reissue: true, Rotation: authserver.RotateNever}))
		try := func() *reply {
			return svc.post("/token", "grant_type", "password", "username", "bob", "password", password)
		}
		first := try()
		time.Sleep(time.Minute)
		second := try()
		if text(t, first, "access_token") != text(t, second, "access_token") {
			t.Error("another access token")
		}
		if claims := svc.idToken(second); string(claims.Get("auth_time")) != itoa(time.Now().Unix()) || claims.Subject != "user-2" {
			t.Errorf("claims %s", claims.Payload)
		}
		svc.idToken(svc.refresh(text(t, second, "refresh_token")))
	})
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	svc := newService(t, withJWT(t, authserver.Dialect{}))
	svc.mux.Handle("/.well-known/openid-configuration", svc.Metadata(authserver.Endpoints{
		Authorize: "/authorize", Token: "/token", UserInfo: "/userinfo", JWKS: "/jwks",
	}))
	got := svc.do(httptest.NewRequest("GET", "/.well-known/openid-configuration", nil))
	for name, want := range map[string]string{
		"issuer": "https://as.example", "authorization_endpoint": "https://as.example/authorize",
		"token_endpoint": "https://as.example/token", "userinfo_endpoint": "https://as.example/userinfo",
		"jwks_uri": "https://as.example/jwks",
	} {
		if got.json[name] != want {
			t.Errorf("%s is %v", name, got.json[name])
		}
	}
	for name, want := range map[string][]any{
		"subject_types_supported": {"public"}, "id_token_signing_alg_values_supported": {"EdDSA"},
		"response_types_supported": {"code"}, "scopes_supported": {"openid", "read"},
	} {
		if all, ok := got.json[name].([]any); !ok || !slices.Equal(all, want) {
			t.Errorf("%s is %v, want %v", name, got.json[name], want)
		}
	}
	if got.json["request_uri_parameter_supported"] != false {
		t.Error("request_uri is said to be supported")
	}
	plain := newService(t, nil)
	plain.mux.Handle("/m", plain.Metadata(authserver.Endpoints{}))
	got = plain.do(httptest.NewRequest("GET", "/m", nil))
	if got.json["subject_types_supported"] != nil || got.json["jwks_uri"] != nil {
		t.Errorf("without keys: %s", got.body)
	}
}

func TestOpenIDParameters(t *testing.T) {
	t.Parallel()
	svc := newService(t, withJWT(t, authserver.Dialect{}))
	if _, page := svc.page(codeQuery); !strings.Contains(page.body, "<li>know who you are</li>") {
		t.Errorf("page %s", page.body)
	}
	for query, code := range map[string]string{
		"&prompt=none": "interaction_required", "&prompt=login+none": "interaction_required", "&prompt=login": "",
		"&request=x": "request_not_supported", "&request_uri=urn:x": "request_uri_not_supported",
		"&response_mode=form_post": "invalid_request", "&response_mode=fragment": "invalid_request", "&response_mode=query": "",
		"&nonce=a&nonce=b": "invalid_request", "&max_age=1&display=page&ui_locales=de": "",
	} {
		_, got := svc.page(codeQuery + query)
		if code == "" {
			if got.StatusCode != 200 {
				t.Errorf("%s: status %d", query, got.StatusCode)
			}
			continue
		}
		if told := location(t, got); told.Get("error") != code || told.Get("state") != "S1" {
			t.Errorf("%s: told %v, want %s", query, told, code)
		}
	}
}

// userinfo names the same sub as the ID token, whatever the application says.
func TestUserInfoSub(t *testing.T) {
	t.Parallel()
	var info any
	svc := newService(t, func(set *setup) {
		withJWT(t, authserver.Dialect{})(set)
		set.options.UserInfo = func(context.Context, *store.Record) (any, error) { return info, nil }
	})
	ask := func(scope string) *reply {
		access, _ := svc.login("scope", scope)
		r := httptest.NewRequest("GET", "/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+access)
		return svc.do(r)
	}
	info = map[string]any{"sub": "somebody", "name": "Alice <3"}
	if got := ask("openid read"); got.json["sub"] != "user-1" || got.json["name"] != "Alice <3" {
		t.Errorf("userinfo %s", got.body)
	}
	if got := ask("read"); got.json["sub"] != "somebody" {
		t.Errorf("without openid the answer is the application's own: %s", got.body)
	}
	for _, info = range []any{"text", nil, []string{}, func() {}} {
		ask("openid").want(t, 503, "temporarily_unavailable")
	}
}
