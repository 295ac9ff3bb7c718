package grants_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// echo stands for the network in the examples: it prints what would be sent and gives a fixed answer.
func echo(contentType, answer string) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		fmt.Println(r.Method, r.URL)
		for _, name := range []string{"Authorization", "Content-Type"} {
			if v := r.Header.Get(name); v != "" {
				fmt.Printf("%s: %s\n", name, v)
			}
		}
		if r.Body != nil {
			b, _ := io.ReadAll(r.Body)
			fmt.Println(string(b))
		}
		h := http.Header{"Content-Type": {contentType}}
		return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(strings.NewReader(answer))}, nil
	})}
}

// Ulule: the password grant with Basic credentials as they are, and a URL whose last slash matters.
func Example_ulule() {
	ulule := &grants.Client{
		Provider: "ulule",
		TokenURL: "https://www.ulule.com/oauth2/token/",
		ID:       "<client_id>", Secret: "<client_secret>", Auth: grants.ClientSecretBasicRaw,
		HTTP: echo("application/json", `{"access_token":"PKs6","expires_in":36000,"refresh_token":"8Pby","scope":"read write","token_type":"Bearer"}`),
		Now:  fixed,
	}
	token, err := ulule.Password(context.Background(), "alice@example.org", "wonderland")
	fmt.Println(token, err)
	// Output:
	// POST https://www.ulule.com/oauth2/token/
	// Authorization: Basic PGNsaWVudF9pZD46PGNsaWVudF9zZWNyZXQ+
	// Content-Type: application/x-www-form-urlencoded
	// grant_type=password&username=alice%40example.org&password=wonderland
	// token(access …, refresh …, id -, scopes ["read" "write"], expiry 2026-01-02T13:04:05Z) <nil>
}

// BreakOut: the password grant with scopes; "bearer" in lower case and odd lifetimes need no care.
func Example_breakOut() {
	breakout := &grants.Client{
		Provider: "breakout",
		TokenURL: "https://backend.break-out.org/oauth/token",
		ID:       "breakout_app", Secret: "123456789",
		Scopes: []string{"read", "write"},
		HTTP:   echo("application/json", `{"access_token":"YOUR","token_type":"bearer","refresh_token":"THE","expires_in":42961,"scope":"read write"}`),
		Now:    fixed,
	}
	token, err := breakout.Password(context.Background(), "admin@break-out.org", "password")
	fmt.Println(token, err)
	// Output:
	// POST https://backend.break-out.org/oauth/token
	// Authorization: Basic YnJlYWtvdXRfYXBwOjEyMzQ1Njc4OQ==
	// Content-Type: application/x-www-form-urlencoded
	// grant_type=password&username=admin%40break-out.org&password=password&scope=read+write
	// token(access …, refresh …, id -, scopes ["read" "write"], expiry 2026-01-02T15:00:06Z) <nil>
}

// Ushahidi: JSON bodies with the credentials inside. Its refresh answers hold no refresh token: the keeper keeps the
// old one.
func Example_ushahidi() {
	ushahidi := &grants.Client{
		Provider: "ushahidi",
		TokenURL: "https://demo.api.ushahidi.io/oauth/token",
		ID:       "ushahidiui", Secret: "35e7", Auth: grants.ClientSecretJSON,
		Scopes: []string{"posts", "media"},
		HTTP:   echo("application/json", `{"access_token":"Hcsw","token_type":"Bearer","expires":1466526852,"expires_in":3600}`),
		Now:    fixed,
	}
	token, err := ushahidi.Refresh(context.Background(), &store.Record{
		Provider: "ushahidi", Token: store.Token{RefreshToken: "crxD"},
	})
	fmt.Println(token, err)
	// Output:
	// POST https://demo.api.ushahidi.io/oauth/token
	// Content-Type: application/json;charset=UTF-8
	// {"grant_type":"refresh_token","refresh_token":"crxD","client_id":"ushahidiui","client_secret":"35e7"}
	// token(access …, refresh -, id -, scopes [], expiry 2026-01-02T04:04:05Z) <nil>
}

// Google: the authorization code grant, with the parameters that make Google give a refresh token.
func Example_google() {
	google := &grants.Client{
		Provider:     "google",
		Issuer:       "https://accounts.google.com",
		AuthorizeURL: "https://accounts.google.com/o/oauth2/v2/auth",
		TokenURL:     "https://oauth2.googleapis.com/token",
		RevokeURL:    "https://oauth2.googleapis.com/revoke",
		UserInfoURL:  "https://openidconnect.googleapis.com/v1/userinfo",
		ID:           "id", Secret: "secret", Auth: grants.ClientSecretPost,
		RedirectURI: "https://app.example/callback",
		Scopes:      []string{"openid", "email"},
		Extra: map[string]grants.Extra{
			"authorize": {Params: url.Values{"access_type": {"offline"}, "prompt": {"consent"}}},
		},
	}
	flow, err := google.AuthorizationCode(context.Background(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	u, _ := url.Parse(flow.URL)
	q := u.Query()
	fmt.Println(u.Host, q.Get("scope"), q.Get("access_type"), q.Get("code_challenge_method"))

	// Later, in the callback. A forged one goes nowhere:
	_, err = google.Exchange(context.Background(), flow, url.Values{"code": {"4/0A"}, "state": {"forged"}})
	fmt.Println(err)
	// Output:
	// accounts.google.com openid email offline S256
	// grants: authorize at google: protocol_error: the callback does not belong to this flow: its state is not the flow's
}

// GitHub: answers are forms, scopes are separated by commas, and errors come with status 200 and codes of their own.
func Example_gitHub() {
	github := &grants.Client{
		Provider:     "github",
		AuthorizeURL: "https://github.com/login/oauth/authorize",
		TokenURL:     "https://github.com/login/oauth/access_token",
		ID:           "id", Secret: "secret", Auth: grants.ClientSecretPost,
		Codes: map[string]grants.Class{"bad_refresh_token": grants.GrantDead},
		HTTP: echo("application/x-www-form-urlencoded",
			"access_token=ghu_16&expires_in=28800&refresh_token=ghr_1B&refresh_token_expires_in=15897600&scope=repo%2Cgist&token_type=bearer"),
		Now: fixed,
	}
	token, err := github.Refresh(context.Background(), &store.Record{
		Provider: "github", Token: store.Token{RefreshToken: "ghr_1A"},
	})
	fmt.Println(token, err)
	fmt.Println(token.RefreshExpiry.Sub(t0))
	// Output:
	// POST https://github.com/login/oauth/access_token
	// Content-Type: application/x-www-form-urlencoded
	// grant_type=refresh_token&refresh_token=ghr_1A&client_id=id&client_secret=secret
	// token(access …, refresh …, id -, scopes ["repo" "gist"], expiry 2026-01-02T11:04:05Z) <nil>
	// 4416h0m0s
}

// All faults of a configuration come at once.
func ExampleClient_Validate() {
	c := &grants.Client{Provider: "p", TokenURL: "http://as.example/token", ID: "id", RedirectURI: "/callback"}
	fmt.Println(c.Validate())
	// Output:
	// grants: client "p": Secret is empty (a public client has Auth None)
	// grants: client "p": TokenURL "http://as.example/token": must be https (http only for loopback hosts)
	// grants: client "p": RedirectURI "/callback": not an absolute URL
}

// A hook for a server that names its members its own way.
func ExampleHook() {
	c := &grants.Client{
		Provider: "p", TokenURL: "https://as.example/token", ID: "id", Secret: "secret",
		HTTP: echo("application/json", `{"accessToken":"AT"}`),
		Hooks: []grants.Hook{{Response: func(_ context.Context, r *grants.Response) error {
			r.Body = []byte(strings.Replace(string(r.Body), "accessToken", "access_token", 1))
			return nil
		}}},
	}
	token, err := c.ClientCredentials(context.Background(), "read")
	fmt.Println(token.AccessToken, token.Scopes, err)
	// Output:
	// POST https://as.example/token
	// Authorization: Basic aWQ6c2VjcmV0
	// Content-Type: application/x-www-form-urlencoded
	// grant_type=client_credentials&scope=read
	// AT [read] <nil>
}
