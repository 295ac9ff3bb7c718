package authserver_test

import (
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

func basic(credentials string) string { return base64.StdEncoding.EncodeToString([]byte(credentials)) }

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	const (
		formType = "application/x-www-form-urlencoded"
		login    = "grant_type=password&username=alice%40example.org&password=" + password
		ownBody  = login + "&client_id=web&client_secret=" + secret
	)
	own, many := "Basic "+basic("web:"+secret), "Basic "+basic("many:"+secret)
	for _, tt := range []struct {
		name, method, path, auth, content, body string
		status                                  int
		code                                    string
	}{
		{"good", "POST", "/token", own, formType, login, 200, ""},
		{"good in the body", "POST", "/token", "", formType, ownBody, 200, ""},
		{"client_id repeated in the body", "POST", "/token", own, formType, login + "&client_id=web", 200, ""},
		{"basic in small letters", "POST", "/token", "basic " + basic("web:"+secret), formType, login, 200, ""},
		{"BASIC in capitals", "POST", "/token", "BASIC " + basic("web:"+secret), formType, login, 200, ""},
		{"charset", "POST", "/token", own, formType + ";charset=UTF-8", login, 200, ""},
		{"unknown parameters", "POST", "/token", own, formType, login + "&foo=1&foo=2&access_type=offline", 200, ""},
		{"empty parameters", "POST", "/token", own, formType, login + "&scope=&client_secret=", 200, ""},
		{"public client, id only", "POST", "/token", "", formType, login + "&client_id=spa", 200, ""},
		{"public client by Basic", "POST", "/token", "Basic " + basic("spa:"), formType, login, 200, ""},

		{"GET", "GET", "/token", own, "", "", 405, "invalid_request"},
		{"HEAD", "HEAD", "/token", own, "", "", 405, ""},
		{"PUT", "PUT", "/token", own, formType, login, 405, "invalid_request"},
		{"slash too many", "POST", "/token/", own, formType, login, 404, "invalid_request"},

		{"no content type", "POST", "/token", own, "", login, 400, "invalid_request"},
		{"JSON", "POST", "/token", own, "application/json", "{}", 400, "invalid_request"},
		{"multipart", "POST", "/token", own, "multipart/form-data; boundary=x", login, 400, "invalid_request"},
		{"garbage content type", "POST", "/token", own, ";;;", login, 400, "invalid_request"},
		{"malformed escape", "POST", "/token", own, formType, login + "&scope=%zz", 400, "invalid_request"},
		{"semicolon", "POST", "/token", own, formType, login + ";scope=read", 400, "invalid_request"},
		{"NUL", "POST", "/token", own, formType, login + "%00", 400, "invalid_request"},
		{"not UTF-8", "POST", "/token", own, formType, login + "%ff", 400, "invalid_request"},
		{"1 MiB", "POST", "/token", own, formType, login + "&x=" + strings.Repeat("x", 1<<20), 413, "invalid_request"},
		{"40 KiB password", "POST", "/token", own, formType, login + strings.Repeat("x", 40<<10), 400, "invalid_request"},
		{"empty body", "POST", "/token", own, formType, "", 400, "invalid_request"},
		{"parameters in the query", "POST", "/token?" + ownBody, "", formType, "", 400, "invalid_client"},

		{"grant_type twice", "POST", "/token", own, formType, login + "&grant_type=password", 400, "invalid_request"},
		{"scope twice", "POST", "/token", own, formType, login + "&scope=read&scope=read", 400, "invalid_request"},
		{"empty scope twice", "POST", "/token", own, formType, login + "&scope=&scope=", 400, "invalid_request"},
		{"unknown grant", "POST", "/token", own, formType, "grant_type=magic", 400, "unsupported_grant_type"},
		{"authorize's grant", "POST", "/token", own, formType, "grant_type=implicit", 400, "unsupported_grant_type"},
		{"no username", "POST", "/token", own, formType, "grant_type=password&password=x", 400, "invalid_request"},
		{"no password", "POST", "/token", own, formType, "grant_type=password&username=x", 400, "invalid_request"},
		{"no code", "POST", "/token", own, formType, "grant_type=authorization_code", 400, "invalid_request"},
		{"no refresh token", "POST", "/token", own, formType, "grant_type=refresh_token", 400, "invalid_request"},
		{"unknown code", "POST", "/token", own, formType, "grant_type=authorization_code&code=x", 400, "invalid_grant"},
		{"unknown refresh token", "POST", "/token", own, formType, "grant_type=refresh_token&refresh_token=x", 400, "invalid_grant"},
		{"wrong password", "POST", "/token", own, formType, "grant_type=password&username=bob&password=x", 400, "invalid_grant"},
		{"unknown user", "POST", "/token", own, formType, "grant_type=password&username=x&password=x", 400, "invalid_grant"},
		{"scope beyond the client's", "POST", "/token", own, formType, login + "&scope=read+admin", 400, "invalid_scope"},
		{"malformed scope", "POST", "/token", own, formType, login + "&scope=re%22ad", 400, "invalid_scope"},
		{"100 scopes", "POST", "/token", many, formType, login + "&scope=" + manyScopes(100), 200, ""},
		{"101 scopes", "POST", "/token", many, formType, login + "&scope=" + manyScopes(101), 400, "invalid_scope"},
		{"grant of other clients", "POST", "/token", "", formType, "grant_type=client_credentials&client_id=spa", 400, "unauthorized_client"},

		{"no client", "POST", "/token", "", formType, login, 400, "invalid_client"},
		{"unknown client", "POST", "/token", "", formType, login + "&client_id=x&client_secret=x", 400, "invalid_client"},
		{"wrong secret in the body", "POST", "/token", "", formType, login + "&client_id=web&client_secret=x", 400, "invalid_client"},
		{"no secret", "POST", "/token", "", formType, login + "&client_id=web", 400, "invalid_client"},
		{"secret of a public client", "POST", "/token", "", formType, login + "&client_id=spa&client_secret=x", 400, "invalid_client"},
		{"wrong secret", "POST", "/token", "Basic " + basic("web:x"), formType, login, 401, "invalid_client"},
		{"empty secret", "POST", "/token", "Basic " + basic("web:"), formType, login, 401, "invalid_client"},
		{"unknown client by Basic", "POST", "/token", "Basic " + basic("x:x"), formType, login, 401, "invalid_client"},
		{"empty Basic", "POST", "/token", "Basic " + basic(":"), formType, login, 401, "invalid_client"},
		{"Basic without colon", "POST", "/token", "Basic " + basic("web"), formType, login, 401, "invalid_client"},
		{"Basic not base64", "POST", "/token", "Basic ???", formType, login, 401, "invalid_client"},
		{"Basic alone", "POST", "/token", "Basic", formType, login, 401, "invalid_client"},
		{"Basic with NUL", "POST", "/token", "Basic " + basic("web\x00:"+secret), formType, login, 401, "invalid_client"},
		{"Bearer", "POST", "/token", "Bearer x", formType, ownBody, 401, "invalid_client"},
		{"both methods", "POST", "/token", own, formType, ownBody, 400, "invalid_request"},
		{"two clients", "POST", "/token", own, formType, login + "&client_id=spa", 400, "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t, func(set *setup) {
				set.clients = append(set.clients, authserver.Client{
					ID: "many", Secret: secret, Grants: []string{"password"}, Scopes: strings.Split(manyScopes(101), "+"),
				})
			})
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			if tt.content != "" {
				r.Header.Set("Content-Type", tt.content)
			}
			if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
			got := svc.do(r)
			if tt.method == "HEAD" {
				got.json = nil // a server drops the body
			}
			got.want(t, tt.status, tt.code)
			if got.StatusCode == 401 && !strings.HasPrefix(got.Header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Errorf("challenge %q", got.Header.Get("WWW-Authenticate"))
			}
			if got.StatusCode == 405 && got.Header.Get("Allow") != "POST" {
				t.Errorf("Allow: %q", got.Header.Get("Allow"))
			}
			if n := strings.Count(svc.logs.String(), "\n"); n != 1 {
				t.Errorf("%d log lines, want 1:\n%s", n, svc.logs)
			}
			if want := fmt.Sprintf("status=%d", tt.status); !strings.Contains(svc.logs.String(), want) {
				t.Errorf("the log lacks %s: %s", want, svc.logs)
			}
			if strings.Contains(svc.logs.String()+got.body, "canary") {
				t.Errorf("a secret got out:\n%s%s", svc.logs, got.body)
			}
		})
	}
}

func manyScopes(n int) string {
	scopes := make([]string, n)
	for i := range scopes {
		scopes[i] = fmt.Sprint("s", i)
	}
	return strings.Join(scopes, "+")
}

func TestTwoContentTypes(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	r := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=client_credentials"))
	r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded", "application/x-www-form-urlencoded"}
	r.SetBasicAuth("web", secret)
	svc.do(r).want(t, 400, "invalid_request")
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	r := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Add("Authorization", "Basic "+basic("web:"+secret))
	r.Header.Add("Authorization", "Basic "+basic("web:"+secret))
	svc.do(r).want(t, 400, "invalid_request")
}

// Clients are split over how Basic credentials are encoded; both kinds must get in.
func TestBasicEncodings(t *testing.T) {
	t.Parallel()
	const id, hard = "<client id>", "p%20w+:/ü"
	svc := newService(t, func(set *setup) {
		set.clients = append(set.clients,
			authserver.Client{ID: id, Secret: hard, Grants: []string{"client_credentials"}})
	})
	for _, tt := range []struct {
		name, credentials string
		status            int
	}{
		{"form-encoded", "%3Cclient+id%3E:p%2520w%2B%3A%2F%C3%BC", 200},
		{"spaces as %20", "%3Cclient%20id%3E:p%2520w%2B%3A%2F%C3%BC", 200},
		{"raw", id + ":" + hard, 200},
		{"decoded twice", id + ":p w+:/ü", 401},
		{"raw id, encoded secret", "<client id>:p%2520w%2B%3A%2F%C3%BC", 200}, // a raw id without escapes decodes to itself
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("POST", "/token", strings.NewReader("grant_type=client_credentials"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", "Basic "+basic(tt.credentials))
			if got := svc.do(r); got.StatusCode != tt.status {
				t.Errorf("status %d, want %d: %s", got.StatusCode, tt.status, got.body)
			}
		})
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	got := svc.post("/token", "grant_type", "client_credentials", "scope", "read")
	got.want(t, 200, "")
	if got.json["refresh_token"] != nil || got.json["expires_in"] != 3600.0 || got.json["scope"] != "read" {
		t.Errorf("answer %s", got.body)
	}
	rec, err := svc.Verify(t.Context(), got.json["access_token"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if rec.Subject != "" { // a client's ID may be somebody's user ID
		t.Errorf("subject %q, want none", rec.Subject)
	}
}

func TestWithoutRefreshGrant(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	got := svc.postAs("login-only", secret, "/token", "grant_type", "password", "username", "bob", "password", password)
	got.want(t, 200, "")
	if _, has := got.json["refresh_token"]; has || got.json["expires_in"] != 3600.0 {
		t.Errorf("answer %s", got.body)
	}
}

// A login that knows no client: the application's own form.
func TestLoginWithoutClient(t *testing.T) {
	t.Parallel()
	svc := newService(t, func(set *setup) {
		set.clients = append(set.clients, authserver.Client{Grants: []string{"password", "refresh_token"}, Scopes: []string{"read"}})
	})
	got := svc.postAs("", "", "/token", "grant_type", "password", "username", "bob", "password", password)
	got.want(t, 200, "")
	got = svc.postAs("", "", "/token", "grant_type", "refresh_token", "refresh_token", got.json["refresh_token"].(string))
	got.want(t, 200, "")
	svc.postAs("web", "", "/token", "grant_type", "password", "username", "bob", "password", password).want(t, 401, "invalid_client")
	_, page := svc.page("response_type=code")
	page.want(t, 400, "")
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, func(set *setup) { set.options.MaxAttempts = 3 })
		try := func(client, given, username, pass string) *reply {
			return svc.postAs(client, given, "/token", "grant_type", "password", "username", username, "password", pass)
		}
		for _, username := range []string{"bob", "BOB", " bob "} { // spelt otherwise, it is the same account
			try("web", secret, username, "guess").want(t, 400, "invalid_grant")
		}
		got := try("web", secret, "bob", password)
		got.want(t, 429, "temporarily_unavailable")
		if got.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		try("web", secret, "alice@example.org", password).want(t, 200, "") // another account
		try("other", "other-"+secret, "bob", password).want(t, 200, "")    // another client
		time.Sleep(15 * time.Minute)
		try("web", secret, "bob", "guess").want(t, 400, "invalid_grant")
		try("web", secret, "bob", password).want(t, 200, "") // and this forgets the failure
		try("web", secret, "bob", "guess").want(t, 400, "invalid_grant")
		try("web", secret, "bob", "guess").want(t, 400, "invalid_grant")
		try("web", secret, "bob", password).want(t, 200, "")
	})
}

// The window is judged by the server's clock, too: a store's may be another.
func TestAttemptsWithTwoClocks(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	svc := newService(t, func(set *setup) {
		set.options.MaxAttempts = 1
		set.options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	try := func(pass string) *reply {
		return svc.post("/token", "grant_type", "password", "username", "bob", "password", pass)
	}
	try("guess").want(t, 400, "invalid_grant")
	try(password).want(t, 429, "temporarily_unavailable")
	ahead.Store(int64(16 * time.Minute))
	try("guess").want(t, 400, "invalid_grant")
	try(password).want(t, 429, "temporarily_unavailable")
	ahead.Store(int64(32 * time.Minute))
	try(password).want(t, 200, "")
}
