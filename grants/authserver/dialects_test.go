package authserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// The endpoints of five public documents as configurations of one server: the codes U, C, B, H and R in the tests' names
// are those of its documents, Ulule, Ulule Connect, BreakOut, Ushahidi and requests-oauthlib.
const ushahidiScopes = "posts media forms api tags savedsearches sets users stats layers config messages notifications " +
	"contacts roles permissions csv dataproviders"

func newDialects(t *testing.T) *service {
	t.Helper()
	ulule := &authserver.Dialect{
		TrailingSlash: true, AccessTTL: 10 * time.Hour, AuthMethods: []string{"client_secret_basic"},
		Scopes: []string{"read", "write"},
	}
	breakout := &authserver.Dialect{
		TokenType: "bearer", AccessTTL: 12 * time.Hour, Reissue: true, Rotation: authserver.RotateNever,
		AuthMethods: []string{"client_secret_basic"}, Scopes: []string{"read", "write"},
	}
	ushahidi := &authserver.Dialect{
		JSON: true, AuthMethods: []string{"client_secret_post"}, RefreshTTL: 7 * 24 * time.Hour,
		Rotation: authserver.RotateNever, OmitRefresh: true, Expires: true, RefreshExpiresIn: true,
	}
	google := &authserver.Dialect{}
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	known := func(_ context.Context, username, given string) (string, error) {
		if map[string]string{"alice": "wonderland", "<username>": "<password>", "admin@break-out.org": "password", "admin": "admin"}[username] != given {
			return "", store.ErrNotFound
		}
		return "id-of-" + username, nil
	}
	srv, err := authserver.New(tokens, known, []authserver.Client{
		{
			ID: "<client_id>", Secret: "<client_secret>", Dialect: ulule, RedirectURIs: []string{"http://127.0.0.1:8080/callback"},
			Grants: []string{"password", "authorization_code", "refresh_token"},
		},
		{
			ID: "partner-js", Secret: "x", Dialect: ulule, RedirectURIs: []string{"http://127.0.0.1:8080/js"},
			Grants: []string{"implicit"},
		},
		{ID: "breakout_app", Secret: "123456789", Dialect: breakout, Grants: []string{"password", "refresh_token"}},
		{
			ID: "ushahidiui", Secret: "35e7f0bca957836d05ca0492211b0ac707671261", Dialect: ushahidi,
			Grants: []string{"password", "refresh_token"}, Scopes: strings.Fields(ushahidiScopes),
		},
		{
			ID: "your_client_id", Secret: "google-secret", Dialect: google, RedirectURIs: []string{"https://your.callback/uri"},
			Scopes: []string{"https://www.googleapis.com/auth/userinfo.email", "https://www.googleapis.com/auth/userinfo.profile"},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	svc := &service{Server: srv, t: t, mux: http.NewServeMux(), logs: &safeBuffer{}}
	for _, slash := range []string{"", "/"} {
		svc.mux.Handle("/oauth2/token"+slash, srv.Token(ulule))
		svc.mux.Handle("/oauth2/authorize"+slash, srv.Authorize(ulule))
		svc.mux.Handle("/oauth/token"+slash, srv.Token(breakout, ushahidi))
	}
	svc.mux.Handle("/o/oauth2/auth", srv.Authorize(google))
	svc.mux.Handle("/o/oauth2/token", srv.Token(google))
	return svc
}

// send sends a request as a document prints it.
func (s *service) send(path, body string, headers ...string) *reply {
	s.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]} // canonical or not: a server has made it so
	}
	return s.do(r)
}

func members(got *reply) []string {
	var names []string
	for name := range got.json {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

const (
	formBody   = "application/x-www-form-urlencoded"
	ululeBasic = "basic PGNsaWVudF9pZD46PGNsaWVudF9zZWNyZXQ+" // U3: raw, and U4: in small letters
)

func TestUlule(t *testing.T) {
	t.Parallel()
	svc := newDialects(t)
	// U2: form, Basic, nothing of the client in the body
	got := svc.send("/oauth2/token/", "grant_type=password&username=<username>&password=<password>",
		"Content-Type", formBody, "Authorization", ululeBasic)
	got.want(t, 200, "")
	// U5
	if !slices.Equal(members(got), []string{"access_token", "expires_in", "refresh_token", "scope", "token_type"}) ||
		got.json["expires_in"] != 36000.0 || got.json["scope"] != "read write" || got.json["token_type"] != "Bearer" {
		t.Errorf("answer %s", got.body)
	}
	// U6
	got = svc.send("/oauth2/token/", "grant_type=refresh_token&refresh_token="+got.json["refresh_token"].(string),
		"Content-Type", formBody, "Authorization", ululeBasic)
	got.want(t, 200, "")
	// U1: the slash is part of the path, and its absence is told
	got = svc.send("/oauth2/token", "grant_type=password", "Content-Type", formBody, "Authorization", ululeBasic)
	got.want(t, 404, "invalid_request")
	if !strings.Contains(got.json["error_description"].(string), "slash") {
		t.Errorf("answer %s", got.body)
	}
	// Basic is the one way
	svc.send("/oauth2/token/", "grant_type=password&username=alice&password=wonderland&client_id=%3Cclient_id%3E&client_secret=%3Cclient_secret%3E",
		"Content-Type", formBody).want(t, 400, "invalid_client")
	svc.send("/oauth2/token/", `{"grant_type":"password"}`, "Content-Type", "application/json", "Authorization", ululeBasic).
		want(t, 400, "invalid_request")
}

func TestUluleConnect(t *testing.T) {
	t.Parallel()
	svc := newDialects(t)
	// C1: three parameters, no scope, no PKCE
	const query = "client_id=%3Cclient_id%3E&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fcallback&response_type=code"
	page := svc.do(httptest.NewRequest("GET", "/oauth2/authorize/?"+query, nil))
	carried := hidden.FindStringSubmatch(page.body)
	if carried == nil {
		t.Fatalf("no page: %s", page.body)
	}
	sent := svc.send("/oauth2/authorize/", form("request", carried[1], "decision", "allow", "username", "alice", "password", "wonderland"),
		"Content-Type", formBody)
	if sent.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", sent.StatusCode, sent.body)
	}
	// C3
	got := svc.send("/oauth2/token/", form("grant_type", "authorization_code", "code", location(t, sent).Get("code"),
		"redirect_uri", "http://127.0.0.1:8080/callback"), "Content-Type", formBody, "Authorization", ululeBasic)
	got.want(t, 200, "")
	// C5: the token in the fragment
	page = svc.do(httptest.NewRequest("GET",
		"/oauth2/authorize/?client_id=partner-js&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fjs&response_type=token&state=S", nil))
	carried = hidden.FindStringSubmatch(page.body)
	sent = svc.send("/oauth2/authorize/", form("request", carried[1], "decision", "allow", "username", "alice", "password", "wonderland"),
		"Content-Type", formBody)
	to := sent.Header.Get("Location")
	for _, part := range []string{"http://127.0.0.1:8080/js#", "access_token=", "token_type=Bearer", "expires_in=36000", "scope=read+write", "state=S"} {
		if !strings.Contains(to, part) {
			t.Errorf("the answer to response_type=token lacks %q", part)
		}
	}
	if strings.Contains(to, "refresh_token") || strings.Contains(to, "?") {
		t.Error("the answer to response_type=token has a query or a refresh token")
	}
	if page := svc.do(httptest.NewRequest("GET", "/oauth2/authorize?"+query, nil)); page.StatusCode != 404 || !strings.Contains(page.body, "slash") {
		t.Errorf("without the slash: %d %s", page.StatusCode, page.body)
	}
}

func TestBreakOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDialects(t)
		const body = "username=admin%40break-out.org&password=password&grant_type=password&scope=read+write"
		headers := []string{"Authorization", "Basic " + basic("breakout_app:123456789"), "Accept", "application/json", "Content-Type", formBody}
		if len(body) != 85 { // B2
			t.Fatal("not the document's body")
		}
		first := svc.send("/oauth/token", body, headers...)
		first.want(t, 200, "")
		if first.json["expires_in"] != 43200.0 || first.json["token_type"] != "bearer" || first.json["scope"] != "read write" { // B3
			t.Errorf("answer %s", first.body)
		}
		// B4: the same token again, with what is left of it
		time.Sleep(239 * time.Second)
		second := svc.send("/oauth/token", body, headers...)
		second.want(t, 200, "")
		for _, member := range []string{"access_token", "refresh_token"} {
			if first.json[member] != second.json[member] {
				t.Errorf("another %s", member)
			}
		}
		if second.json["expires_in"] != 42961.0 {
			t.Errorf("expires_in %v, want 42961", second.json["expires_in"])
		}
		turned := svc.send("/oauth/token", strings.Replace(body, "read+write", "write+read", 1), headers...)
		if turned.json["access_token"] != first.json["access_token"] {
			t.Error("the same scopes in another order got another token")
		}
		narrow := svc.send("/oauth/token", strings.Replace(body, "+write", "", 1), headers...)
		if narrow.json["scope"] != "read" || narrow.json["access_token"] == first.json["access_token"] {
			t.Errorf("another scope got %s", narrow.body)
		}
		// B5: a refresh gives a new access token, and a login after it that one
		got := svc.send("/oauth/token", "refresh_token="+first.json["refresh_token"].(string)+"&grant_type=refresh_token", headers...)
		got.want(t, 200, "")
		third := svc.send("/oauth/token", body, headers...)
		if got.json["expires_in"] != 43200.0 || got.json["access_token"] == first.json["access_token"] ||
			got.json["access_token"] != third.json["access_token"] {
			t.Errorf("refreshed %s, then %s", got.body, third.body)
		}
		// Expired, there is nothing to issue again.
		time.Sleep(12 * time.Hour)
		fourth := svc.send("/oauth/token", body, headers...)
		if fourth.json["expires_in"] != 43200.0 || fourth.json["access_token"] == third.json["access_token"] {
			t.Errorf("after expiry %s", fourth.body)
		}
		svc.send("/oauth/token/", body, headers...).want(t, 404, "invalid_request")
	})
}

func TestUshahidi(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDialects(t)
		send := func(body string) *reply {
			return svc.send("/oauth/token", body, "Accept", "application/json, text/plain, */*", "Content-Type", "application/json;charset=UTF-8")
		}
		const client = `"client_id": "ushahidiui", "client_secret": "35e7f0bca957836d05ca0492211b0ac707671261"`
		// H1, H2
		first := send(`{ ` + client + `, "grant_type": "password", "username": "admin", "password": "admin", "scope": "` + ushahidiScopes + `" }`)
		first.want(t, 200, "")
		if first.json["expires_in"] != 3600.0 || first.json["refresh_token_expires_in"] != 604800.0 ||
			first.json["expires"] != float64(time.Now().Unix()+3600) || first.json["token_type"] != "Bearer" { // H3, H4
			t.Errorf("answer %s", first.body)
		}
		// H5: no refresh token in the answer, and the old one lives no longer for having been used
		refresh := `{` + client + `, "grant_type": "refresh_token", "refresh_token": "` + first.json["refresh_token"].(string) + `"}`
		time.Sleep(7*24*time.Hour - time.Second)
		got := send(refresh)
		got.want(t, 200, "")
		if !slices.Equal(members(got), []string{"access_token", "expires", "expires_in", "scope", "token_type"}) || got.json["expires_in"] != 3600.0 {
			t.Errorf("answer %s", got.body)
		}
		time.Sleep(time.Second)
		send(refresh).want(t, 400, "invalid_grant")

		for name, body := range map[string]string{
			"malformed": `{"grant_type":`, "array": `[]`, "null": `null`, "text": `"x"`, "empty": ``, "two values": `{}{}`,
			"name twice":         `{` + client + `,"grant_type":"password","grant_type":"password"}`,
			"same name, escaped": `{` + client + `,"grant_type":"password","grant\u005ftype":"password"}`,
			"scope array":        `{` + client + `,"grant_type":"password","scope":["a"]}`,
			"number":             `{` + client + `,"grant_type":"password","username":1}`,
			"NUL":                `{` + client + `,"grant_type":"password","username":"a\u0000b"}`,
			"not UTF-8":          "{" + client + ",\"grant_type\":\"\xff\"}",
			"no grant":           `{` + client + `}`,
			"null grant":         `{` + client + `,"grant_type":null}`,
		} {
			if got := send(body); got.StatusCode != 400 || (got.json["error"] != "invalid_request" && name != "empty") {
				t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
			}
		}
		send(`{`+client+`,"grant_type":"password","username":"admin","password":"admin","x":{"a":[1]},"scope":null}`).want(t, 200, "")
		send(`{`+client+`,"grant_type":"password","username":"admin","password":"wrong"}`).want(t, 400, "invalid_grant")
		send(`{"client_id":"ushahidiui","client_secret":"x","grant_type":"password"}`).want(t, 400, "invalid_client")
		// One path, two dialects: each client is held to its own.
		svc.send("/oauth/token", form("client_id", "ushahidiui", "client_secret", "35e7f0bca957836d05ca0492211b0ac707671261",
			"grant_type", "password", "username", "admin", "password", "admin"), "Content-Type", formBody).want(t, 400, "invalid_request")
		svc.send("/oauth/token", `{"grant_type":"password","username":"admin","password":"admin"}`, "Content-Type", "application/json",
			"Authorization", "Basic "+basic("ushahidiui:35e7f0bca957836d05ca0492211b0ac707671261")).want(t, 401, "invalid_client")
		svc.send("/oauth/token", `{"grant_type":"password","username":"admin","password":"admin"}`, "Content-Type", "application/json",
			"Authorization", "Basic "+basic("breakout_app:123456789")).want(t, 400, "invalid_request")
		svc.send("/oauth2/token/", "grant_type=password&username=admin&password=admin", "Content-Type", formBody,
			"Authorization", "Basic "+basic("breakout_app:123456789")).want(t, 401, "invalid_client")
	})
}

func TestRequestsOAuthlib(t *testing.T) {
	t.Parallel()
	svc := newDialects(t)
	// R1: the parameters in its order, with Google's own two
	const query = "response_type=code&client_id=your_client_id&redirect_uri=https%3A%2F%2Fyour.callback%2Furi" +
		"&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.email+https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.profile" +
		"&state=BGJCNVtDl0DpDGTBIZjMf3xBHoSxA3&access_type=offline&approval_prompt=force"
	for name, headers := range map[string][]string{
		"Basic, raw": {"Content-Type", "application/x-www-form-urlencoded;charset=UTF-8", "Authorization", "Basic " + basic("your_client_id:google-secret")},
		"in body":    {"Content-Type", formBody}, // include_client_id=True
	} {
		page := svc.do(httptest.NewRequest("GET", "/o/oauth2/auth?"+query, nil))
		carried := hidden.FindStringSubmatch(page.body)
		if carried == nil {
			t.Fatalf("no page: %s", page.body)
		}
		sent := svc.send("/o/oauth2/auth", form("request", carried[1], "decision", "allow", "username", "alice", "password", "wonderland"),
			"Content-Type", formBody)
		told := location(t, sent)
		if told.Get("state") != "BGJCNVtDl0DpDGTBIZjMf3xBHoSxA3" {
			t.Errorf("%s: told %v", name, told)
		}
		body := []string{"grant_type", "authorization_code", "code", told.Get("code"), "redirect_uri", "https://your.callback/uri"}
		credentials := []string{"client_id", "your_client_id", "client_secret", "google-secret"}
		if name == "in body" {
			body = append(body, credentials...)
		}
		got := svc.send("/o/oauth2/token", form(body...), headers...)
		got.want(t, 200, "")
		// M1: a refresh with the credentials in the body, whatever came before
		svc.send("/o/oauth2/token", form(append(credentials, "grant_type", "refresh_token", "refresh_token",
			text(t, got, "refresh_token"))...), "Content-Type", formBody).want(t, 200, "")
	}
}
