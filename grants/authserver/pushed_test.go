package authserver_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

func newPushing(t *testing.T) *service {
	t.Helper()
	svc := newService(t, nil)
	svc.mux.Handle("/par", svc.PushedAuthorization())
	return svc
}

// push pushes the request of a query as the client "web" and returns the query that is left.
func (s *service) push(query string) string {
	s.t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		s.t.Fatal(err)
	}
	var pairs []string
	for name := range values {
		pairs = append(pairs, name, values.Get(name))
	}
	got := s.post("/par", pairs...)
	got.want(s.t, 201, "")
	uri, _ := got.json["request_uri"].(string)
	if got.json["expires_in"] != 90.0 || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") {
		s.t.Errorf("answer %s", got.body)
	}
	return form("client_id", "web", "request_uri", uri)
}

func TestPushedAuthorization(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newPushing(t)
		query := svc.push(codeQuery + "&scope=read&code_challenge_method=S256&code_challenge=" + challenge)
		// Whatever else the browser says does not count.
		told := svc.allow(query + "&scope=write&state=S2&response_type=token&redirect_uri=https%3A%2F%2Fapp.example%2Fother%3Fx%3D1&code_challenge=x")
		if told.Get("state") != "S1" || told.Get("iss") != "https://as.example" || told.Get("code") == "" {
			t.Errorf("told %v", told)
		}
		got := svc.post("/token", "grant_type", "authorization_code", "code", told.Get("code"), "code_verifier", verifier,
			"redirect_uri", "https://app.example/callback")
		if text(t, got, "scope") != "read" {
			t.Errorf("answer %s", got.body)
		}
		time.Sleep(90*time.Second - time.Millisecond)
		if carried, _ := svc.page(query); carried == "" { // a reload
			t.Error("it died early")
		}
		time.Sleep(time.Millisecond)
		if _, got := svc.page(query); got.StatusCode != 400 || got.Header.Get("Location") != "" {
			t.Errorf("expired: %d", got.StatusCode)
		}
	})
}

func TestPushedAuthorizationErrors(t *testing.T) {
	t.Parallel()
	svc := newPushing(t)
	const redirect = "https://app.example/callback"
	for name, tt := range map[string]struct {
		pairs []string
		code  string
	}{
		"no redirect_uri":      {[]string{"response_type", "code"}, "invalid_request"},
		"another redirect_uri": {[]string{"response_type", "code", "redirect_uri", redirect + "/"}, "invalid_request"},
		"no response_type":     {[]string{"redirect_uri", redirect}, "invalid_request"},
		"response_type":        {[]string{"response_type", "id_token", "redirect_uri", redirect}, "unsupported_response_type"},
		"implicit":             {[]string{"response_type", "token", "redirect_uri", redirect}, "unauthorized_client"},
		"scope":                {[]string{"response_type", "code", "redirect_uri", redirect, "scope", "admin"}, "invalid_scope"},
		"plain PKCE":           {[]string{"response_type", "code", "redirect_uri", redirect, "code_challenge", challenge}, "invalid_request"},
		"request_uri":          {[]string{"response_type", "code", "redirect_uri", redirect, "request_uri", "urn:x"}, "invalid_request"},
		"request":              {[]string{"response_type", "code", "redirect_uri", redirect, "request", "x"}, "request_not_supported"},
		"state twice":          {[]string{"response_type", "code", "redirect_uri", redirect, "state", "x", "state", "x"}, "invalid_request"},
		"another client_id":    {[]string{"response_type", "code", "redirect_uri", redirect, "client_id", "other"}, "invalid_request"},
	} {
		got := svc.post("/par", tt.pairs...)
		if got.json["error"] != tt.code {
			t.Errorf("%s: %s", name, got.body)
		}
		got.want(t, 400, tt.code)
	}
	svc.postAs("web", "x", "/par", "response_type", "code", "redirect_uri", redirect).want(t, 401, "invalid_client")
	svc.postAs("", "", "/par", "client_id", "spa", "response_type", "code", "redirect_uri", "http://127.0.0.1/cb").want(t, 400, "invalid_request") // no PKCE
	svc.do(httptest.NewRequest("GET", "/par", nil)).want(t, 405, "invalid_request")

	query := svc.push(codeQuery)
	access, _ := svc.login()
	for name, query := range map[string]string{
		"another client's": strings.Replace(query, "client_id=web", "client_id=other", 1),
		"no client":        strings.Replace(query, "client_id=web", "", 1),
		"unknown":          query + "x",
		"twice":            query + "&" + strings.Replace(query, "client_id=web", "", 1),
		"an access token":  form("client_id", "web", "request_uri", "urn:ietf:params:oauth:request_uri:"+access),
		"empty":            form("client_id", "web", "request_uri", "urn:ietf:params:oauth:request_uri:"),
	} {
		if _, got := svc.page(query); got.StatusCode != 400 || got.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.Header.Get("Location"))
		}
	}
	svc.tokens.failNext(1, false)
	if _, got := svc.page(query); got.StatusCode != 503 {
		t.Errorf("the store is down: %d", got.StatusCode)
	}
	svc.tokens.failNext(1, false)
	svc.post("/par", "response_type", "code", "redirect_uri", redirect).want(t, 503, "temporarily_unavailable")
	svc.mux.Handle("/m", svc.Metadata(authserver.Endpoints{PushedAuthorization: "/par"}))
	if got := svc.do(httptest.NewRequest("GET", "/m", nil)); got.json["pushed_authorization_request_endpoint"] != "https://as.example/par" {
		t.Errorf("metadata %s", got.body)
	}
}
