package authserver_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// Whatever a token request holds, the answer is one of RFC 6749 section 5: never a 5xx, always JSON, never echoed.
func FuzzToken(f *testing.F) {
	own := "Basic " + basic("web:"+secret)
	for _, seed := range []struct{ auth, content, body string }{
		{own, formBody, "grant_type=password&username=alice%40example.org&password=" + password},
		{"basic " + basic("%77eb:"+secret), formBody + ";charset=UTF-8", "grant_type=client_credentials&scope=read+write"},
		{own, formBody, "grant_type=authorization_code&code=x&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&code_verifier=" + verifier},
		{"", formBody, "grant_type=refresh_token&refresh_token=x&client_id=spa"},
		{"", formBody, "grant_type=refresh_token&client_id=web&client_secret=" + secret + "&refresh_token=%00"},
		{"Basic ???", formBody, "a=%zz;"},
		{"Basic " + basic("%zz:%"), "application/json", `{"grant_type":"password","grant_type":1}`},
		{"", "application/json", `{ "client_id": "ushahidiui", "grant_type": "password", "scope": null, "x": [{}] }`},
		{"Bearer x", "text/plain", "\xff"},
		{"", formBody, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&client_id=tv&device_code=x"},
		{"", formBody, "grant_type=client_credentials&client_assertion_type=" + assertionType + "&client_assertion=e30.eyJzdWIiOiJzaWducyJ9.AA"},
		{"", formBody, "client_assertion_type=" + assertionType + "&client_assertion=..&client_secret=x"},
	} {
		f.Add(seed.auth, seed.content, seed.body)
	}
	signer := newSigner(f, "k1")
	f.Fuzz(func(t *testing.T, auth, content, body string) {
		svc := newDevices(t, func(set *setup) {
			set.clients = append(set.clients, jsonClient, authserver.Client{
				ID: "signs", Keys: jose.KeySet{signer.Key()}, Grants: []string{"client_credentials"}, Scopes: []string{"read"},
			})
		})
		r := httptest.NewRequest("POST", "/token", strings.NewReader(body))
		r.Header["Authorization"], r.Header["Content-Type"] = []string{auth}, []string{content}
		if auth == "" {
			r.Header.Del("Authorization")
		}
		got := svc.do(r)
		switch got.StatusCode {
		case 200, 400, 401, 413, 429:
		default:
			t.Fatalf("status %d: %s", got.StatusCode, got.body)
		}
		if (got.StatusCode == 200) != (got.json["access_token"] != nil) || (got.StatusCode == 200) == (got.json["error"] != nil) {
			t.Fatalf("status %d: %s", got.StatusCode, got.body)
		}
		if got.Header.Get("Cache-Control") != "no-store" || (got.StatusCode == 401) != (got.Header.Get("WWW-Authenticate") != "") {
			t.Fatalf("status %d, header %v", got.StatusCode, got.Header)
		}
		if access, ok := got.json["access_token"].(string); ok && !svc.valid(access) {
			t.Fatal("a token that is not valid")
		}
		if logs := svc.logs.String(); strings.Count(logs, "\n") != 1 || strings.Contains(logs, "canary") {
			t.Fatalf("logs %q", logs)
		}
		if !json.Valid([]byte(got.body)) {
			t.Fatalf("no JSON: %q", got.body)
		}
	})
}

// A form is what url.ParseQuery takes, and nothing else.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"a=b", "a=%zz", "%zz=a", "a;b", "&&=&a", "a=b=c", "a+b=%2B", "%", "=%3d&%26", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		svc := newService(t, nil)
		r := httptest.NewRequest("POST", "/token", strings.NewReader(body))
		r.Header.Set("Content-Type", formBody)
		got := svc.do(r)
		values, err := url.ParseQuery(body)
		if err != nil && (got.StatusCode != 400 || got.json["error"] != "invalid_request") && len(body) <= 64<<10 {
			t.Fatalf("%v, but %d %s", err, got.StatusCode, got.body)
		}
		if err == nil && got.json["error_description"] == "the body is not a form" {
			t.Fatalf("%v is no form", values)
		}
		if err == nil && len(values["client_id"]) > 1 && got.json["error"] != "invalid_request" {
			t.Fatalf("client_id comes %d times: %s", len(values["client_id"]), got.body)
		}
	})
}

// Nothing but the tokens themselves, to the letter, is one of them.
func FuzzPresentedToken(f *testing.F) {
	for _, seed := range []string{
		"ACCESS", "REFRESH", "JWT", "ACCESS ", "IDREFRESH", "ID" + strings.Repeat("A", 43), "e30.eyJqdGkiOiJJRCJ9.AA", "..", "\x00", "",
	} {
		f.Add(seed)
	}
	signer := newSigner(f, "k1")
	f.Fuzz(func(t *testing.T, token string) {
		svc := newService(t, func(set *setup) {
			set.options.Keys = []*jose.Signer{signer}
			set.clients[1].Dialect = &authserver.Dialect{Audience: []string{"https://api.example"}}
		})
		access, refresh := svc.login()
		signed := text(t, svc.postAs("other", "other-"+secret, "/token", "grant_type", "client_credentials"), "access_token")
		token = strings.NewReplacer("ACCESS", access, "REFRESH", refresh, "JWT", signed, "ID", access[:26]).Replace(token)
		if svc.valid(token) != (token == access || token == signed) {
			t.Fatalf("%q is valid: %v", token, svc.valid(token))
		}
		if token != "" && utf8.ValidString(token) && !strings.Contains(token, "\x00") && len(token) < 30<<10 &&
			svc.introspects(token) != (token == access || token == refresh) {
			t.Fatalf("%q is active: %v", token, svc.introspects(token))
		}
		if got := svc.refresh(token); (got.StatusCode == 200) != (token == refresh) || got.StatusCode >= 500 {
			t.Fatalf("%q refreshes: %d", token, got.StatusCode)
		}
	})
}

// Whatever the device page is sent, it answers with a page, and connects nothing that nobody has signed in for.
func FuzzDevicePage(f *testing.F) {
	for _, seed := range []string{
		"user_code=BBBB-BBBB&username=bob&password=" + password, "request=x&decision=allow", "user_code=%00", "request=AAAA&user_code=b", "%zz", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		svc := newDevices(t, nil)
		device, user := svc.authorizeDevice()
		r := httptest.NewRequest("POST", "/device", strings.NewReader(strings.ReplaceAll(body, "BBBB-BBBB", user)))
		r.Header.Set("Content-Type", formBody)
		got := svc.do(r)
		switch got.StatusCode {
		case 200, 400, 403, 413:
		default:
			t.Fatalf("status %d: %s", got.StatusCode, got.body)
		}
		if !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") || strings.Contains(svc.logs.String(), "canary") {
			t.Fatalf("%v %s %s", got.Header, got.body, svc.logs)
		}
		svc.poll(device).want(t, 400, "authorization_pending")
	})
}

// Whatever an authorize request holds, the answer is a page, or a redirect to a registered URI.
func FuzzAuthorize(f *testing.F) {
	for _, seed := range []string{
		codeQuery, codeQuery + "&access_type=offline&approval_prompt=force",
		codeQuery + "&code_challenge_method=S256&code_challenge=" + challenge, codeQuery + "&state=%00", codeQuery + "&scope=%22",
		"response_type=token&client_id=web&redirect_uri=https%3A%2F%2Fapp.example%2Fother%3Fx%3D1&state=%0d%0a",
		"response_type=code&client_id=spa&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb", "%zz", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		svc := newService(t, nil)
		r := httptest.NewRequest("GET", "/authorize", nil)
		r.URL.RawQuery = query
		got := svc.do(r)
		to := got.Header.Get("Location")
		switch got.StatusCode {
		case 200, 400, 414:
			if to != "" || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
				t.Fatalf("status %d, Location %q", got.StatusCode, to)
			}
		case 303:
			if !strings.HasPrefix(to, "https://app.example/callback?") && !strings.HasPrefix(to, "https://app.example/other?x=1&") &&
				!strings.HasPrefix(to, "https://app.example/callback#") && !strings.HasPrefix(to, "https://app.example/other?x=1#") &&
				!strings.HasPrefix(to, "https://other.example/cb") && !strings.HasPrefix(to, "http://127.0.0.1") {
				t.Fatalf("sent to %q", to)
			}
			if strings.ContainsAny(to, "\r\n\x00 ") || strings.Contains(to, "code=") {
				t.Fatalf("sent to %q", to)
			}
		default:
			t.Fatalf("status %d", got.StatusCode)
		}
		if m := hidden.FindStringSubmatch(got.body); (m != nil) != (got.StatusCode == 200) {
			t.Fatalf("status %d: %s", got.StatusCode, got.body)
		} else if m != nil {
			if got := svc.answer("request", m[1], "decision", "deny"); got.StatusCode != 303 {
				t.Fatalf("the page's answer: status %d", got.StatusCode)
			}
		}
	})
}
