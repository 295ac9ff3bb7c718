package grants_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// The authorization code grant: two requests of one browser, with the flow kept for it in between.
func ExampleClient_AuthorizationCode() {
	client := &grants.Client{
		Provider: "example", AuthorizeURL: "https://as.example/authorize", TokenURL: "https://as.example/token",
		ID: "app", Secret: "secret", RedirectURI: "https://app.example/callback", Scopes: []string{"read"},
		HTTP: answers(`{"access_token":"AT","token_type":"Bearer","expires_in":3600,"refresh_token":"RT"}`),
	}
	flow, err := client.AuthorizationCode(context.Background(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	to, _ := url.Parse(flow.URL) // redirect the browser there
	fmt.Println(to.Host, to.Query().Get("response_type"), to.Query().Get("code_challenge_method"))

	callback := url.Values{"code": {"4/P7q7W91"}, "state": {to.Query().Get("state")}} // what it comes back with
	token, err := client.Exchange(context.Background(), flow, callback)
	fmt.Println(token.AccessToken, token.Scopes, err)
	// Output:
	// as.example code S256
	// AT [read] <nil>
}

// What is asked for in one request only: another scope, a hint who is to sign in.
func ExampleFlowOptions() {
	client := &grants.Client{
		Provider: "example", AuthorizeURL: "https://as.example/authorize", ID: "app", Auth: grants.None, Scopes: []string{"read"},
	}
	flow, err := client.AuthorizationCode(context.Background(), &grants.FlowOptions{
		Scopes: []string{"read", "write"},
		Params: url.Values{"login_hint": {"alice@example.org"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	to, _ := url.Parse(flow.URL)
	fmt.Println(to.Query().Get("scope"), to.Query().Get("login_hint"))
	// Output: read write alice@example.org
}

// The refresh grant, as a keeper calls it. Applications leave it to the keeper, which calls it once for all replicas.
func ExampleClient_Refresh() {
	client := &grants.Client{
		Provider: "example", TokenURL: "https://as.example/token", ID: "app", Secret: "secret",
		HTTP: echo("application/json", `{"access_token":"AT2","token_type":"Bearer","expires_in":"3600"}`), Now: fixed,
	}
	token, err := client.Refresh(context.Background(), &store.Record{Token: store.Token{RefreshToken: "RT"}})
	fmt.Println(token.AccessToken, token.RefreshToken == "", token.Expiry.Format("15:04"), err)
	// Output:
	// POST https://as.example/token
	// Authorization: Basic YXBwOnNlY3JldA==
	// Content-Type: application/x-www-form-urlencoded
	// grant_type=refresh_token&refresh_token=RT
	// AT2 true 04:04 <nil>
}

// The client credentials grant, for the application itself.
func ExampleClient_ClientCredentials() {
	client := &grants.Client{
		Provider: "example", TokenURL: "https://as.example/token", ID: "app", Secret: "secret", Auth: grants.ClientSecretPost,
		OwnAccount: true, // a keeper repeats the grant when the token has expired
		HTTP:       echo("application/json", `{"access_token":"AT","token_type":"Bearer"}`),
	}
	token, err := client.ClientCredentials(context.Background(), "read")
	fmt.Println(token.AccessToken, err)
	// Output:
	// POST https://as.example/token
	// Content-Type: application/x-www-form-urlencoded
	// grant_type=client_credentials&scope=read&client_id=app&client_secret=secret
	// AT <nil>
}

// The device grant, for a television or a terminal.
func ExampleClient_Device() {
	client := &grants.Client{
		Provider: "example", DeviceURL: "https://as.example/device", TokenURL: "https://as.example/token", ID: "tv", Auth: grants.None,
		HTTP: answers(`{"device_code":"D","user_code":"WDJB-MJHT","verification_uri":"https://as.example/tv","interval":0.001,"access_token":"AT"}`),
	}
	flow, err := client.Device(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("Go to %s and enter %s\n", flow.VerificationURI, flow.UserCode)
	token, err := client.DeviceToken(context.Background(), flow) // waits until the user has decided
	fmt.Println(token.AccessToken, err)
	// Output:
	// Go to https://as.example/tv and enter WDJB-MJHT
	// AT <nil>
}

// Token exchange: a service trades its caller's token for one that is good at the next service.
func ExampleClient_TokenExchange() {
	client := &grants.Client{
		Provider: "example", TokenURL: "https://as.example/token", ID: "app", Auth: grants.None, Targets: []string{"https://orders.example"},
		HTTP: echo("application/json", `{"access_token":"AT2","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}`),
	}
	token, err := client.TokenExchange(context.Background(), &grants.TokenExchange{
		Subject: "AT1", Resource: []string{"https://orders.example"},
	})
	fmt.Println(token.AccessToken, string(token.Extra), err)
	// Output:
	// POST https://as.example/token
	// Content-Type: application/x-www-form-urlencoded
	// grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&resource=https%3A%2F%2Forders.example&subject_token=AT1&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&client_id=app
	// AT2 {"issued_token_type":"urn:ietf:params:oauth:token-type:access_token"} <nil>
}

// The JWT bearer grant: an assertion that somebody else has signed.
func ExampleClient_JWTBearer() {
	client := &grants.Client{
		Provider: "example", TokenURL: "https://as.example/token", ID: "app", Auth: grants.None, HTTP: answers(`{"access_token":"AT"}`),
	}
	token, err := client.JWTBearer(context.Background(), "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "read")
	fmt.Println(token.AccessToken, token.Scopes, err)
	// Output: AT [read] <nil>
}

// Any other grant, by its type and parameters.
func ExampleClient_Extension() {
	client := &grants.Client{
		Provider: "example", TokenURL: "https://as.example/token", ID: "app", Auth: grants.None,
		HTTP: echo("application/json", `{"access_token":"AT"}`),
	}
	token, err := client.Extension(context.Background(), "urn:example:pin", url.Values{"pin": {"1234"}})
	fmt.Println(token.AccessToken, err)
	// Output:
	// POST https://as.example/token
	// Content-Type: application/x-www-form-urlencoded
	// grant_type=urn%3Aexample%3Apin&pin=1234&client_id=app
	// AT <nil>
}

// The implicit grant, for servers that offer nothing else: a page of the application's own sends the fragment on.
func ExampleClient_Implicit() {
	client := &grants.Client{
		Provider: "example", AuthorizeURL: "https://as.example/authorize", IntrospectURL: "https://as.example/introspect",
		ID: "app", Secret: "secret", RedirectURI: "https://app.example/relay", HTTP: answers(`{"active":true,"client_id":"app"}`),
	}
	flow, err := client.Implicit(context.Background(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fragment := url.Values{"access_token": {"AT"}, "token_type": {"Bearer"}, "state": {flow.State}}
	token, err := client.ImplicitToken(context.Background(), flow, fragment)
	fmt.Println(token.AccessToken, err)
	// Output: AT <nil>
}

// Asking the server whether a token is good.
func ExampleClient_Introspect() {
	client := &grants.Client{
		Provider: "example", IntrospectURL: "https://as.example/introspect", ID: "api", Secret: "secret",
		HTTP: answers(`{"active":true,"scope":"read","sub":"42","exp":1767323105}`),
	}
	in, err := client.Introspect(context.Background(), "AT")
	fmt.Println(in.Active, in.Scopes, in.Subject, err)
	// Output: true [read] 42 <nil>
}

// Who the token is about, into a type of one's own.
func ExampleClient_UserInfo() {
	client := &grants.Client{
		Provider: "example", UserInfoURL: "https://as.example/userinfo", HTTP: answers(`{"sub":"42","email":"alice@example.org"}`),
	}
	var user struct{ Sub, Email string }
	err := client.UserInfo(context.Background(), store.Token{AccessToken: "AT"}, &user)
	fmt.Println(user.Sub, user.Email, err)
	// Output: 42 alice@example.org <nil>
}

// Revocation. A keeper does it at logout, and goes on trying while the server is down.
func ExampleClient_Revoke() {
	client := &grants.Client{
		Provider: "example", TokenURL: "https://as.example/token", RevokeURL: "https://as.example/revoke", ID: "app", Auth: grants.None,
		HTTP: echo("application/json", ``),
	}
	fmt.Println(client.Revoke(context.Background(), &store.Record{Token: store.Token{RefreshToken: "RT"}}))
	// Output:
	// POST https://as.example/revoke
	// Content-Type: application/x-www-form-urlencoded
	// token=RT&token_type_hint=refresh_token&client_id=app
	// <nil>
}

// Where to send a browser that is to be signed out at the server too.
func ExampleClient_LogoutURL() {
	client := &grants.Client{Provider: "example", EndSessionURL: "https://as.example/logout", ID: "app"}
	fmt.Println(client.LogoutURL(store.Token{}, "https://app.example/bye"))
	// Output: https://as.example/logout?client_id=app&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye
}

// Endpoints and keys from the issuer's metadata.
func ExampleDiscover() {
	client, err := grants.Discover(context.Background(), &grants.Client{
		Issuer: "https://as.example", ID: "app", Secret: "secret",
		HTTP: answers(`{"issuer":"https://as.example","token_endpoint":"https://as.example/t","jwks_uri":"https://as.example/k"}`),
	})
	fmt.Println(client.TokenURL, client.Keys != nil, err)
	// Output: https://as.example/t true <nil>
}

// Several providers behind one keeper: each record goes to the client that it came from.
func ExampleClients() {
	providers := grants.Clients{
		{Provider: "one", TokenURL: "https://one.example/token", ID: "app", Auth: grants.None, HTTP: answers(`{"access_token":"AT-one"}`)},
		{Provider: "two", TokenURL: "https://two.example/token", ID: "app", Auth: grants.None, HTTP: answers(`{"access_token":"AT-two"}`)},
	}
	token, err := providers.Refresh(context.Background(), &store.Record{Provider: "two", Token: store.Token{RefreshToken: "RT"}})
	fmt.Println(token.AccessToken, err)
	_, err = providers.Refresh(context.Background(), &store.Record{Provider: "three", Token: store.Token{RefreshToken: "RT"}})
	fmt.Println(err)
	// Output:
	// AT-two <nil>
	// grants: refresh_token at three: config_error: no client for this provider
}

// What a failure means to the program.
func ExampleError() {
	client := &grants.Client{Provider: "example", TokenURL: "https://as.example/token", ID: "app", Auth: grants.None}
	client.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return response(http.StatusTooManyRequests, `{"error":"slow_down"}`, http.Header{"Retry-After": {"7"}}), nil
	})}
	_, err := client.Password(context.Background(), "alice", "wonderland")
	var e *grants.Error
	if errors.As(err, &e) {
		fmt.Println(e.Class, e.Code, e.Status, e.RetryAfter(), e.Outcome())
	}
	// Output: retry_later slow_down 429 7s retry_later
}

// The table from an answer to its class: only one line ends a grant.
func ExampleRules() {
	for _, r := range grants.Rules() {
		if r.Class == grants.GrantDead {
			fmt.Printf("%+v\n", r)
		}
	}
	// Output: {Code:invalid_grant Status:0 Class:grant_dead}
}

// answers stands for a server that gives this answer to everything.
func answers(body string) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return response(http.StatusOK, body, http.Header{"Content-Type": {"application/json"}}), nil
	})}
}

func response(status int, body string, h http.Header) *http.Response {
	return &http.Response{StatusCode: status, Header: h, Body: readCloser{strings.NewReader(body)}}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
