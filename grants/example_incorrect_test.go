package grants_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// Incorrect: the last slash of the URL is left out, and the server redirects to where it is. A client that follows turns
// the POST into a GET, or posts the password elsewhere. This one names both URLs.
func Example_incorrectURL() {
	client := &grants.Client{Provider: "ulule", TokenURL: "https://www.ulule.com/oauth2/token", ID: "id", Secret: "secret"}
	client.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return response(http.StatusMovedPermanently, "", http.Header{"Location": {"/oauth2/token/"}}), nil
	})}
	_, err := client.Password(context.Background(), "alice", "wonderland")
	fmt.Println(err)
	// Output: grants: password at ulule: protocol_error (status 301): https://www.ulule.com/oauth2/token redirects to https://www.ulule.com/oauth2/token/, which is not followed
}

// Incorrect: a secret with special characters, encoded as the RFC says, at a server that does not decode. The error
// names the other style, which is never tried by itself.
func Example_incorrectBasic() {
	client := &grants.Client{Provider: "example", TokenURL: "https://as.example/token", ID: "id", Secret: "a/b+c="}
	client.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return response(http.StatusUnauthorized, `{"error":"invalid_client"}`, http.Header{}), nil
	})}
	_, err := client.Password(context.Background(), "alice", "wonderland")
	fmt.Println(err)
	// Output: grants: password at example: config_error: invalid_client (status 401): id or secret has special characters: this server may want ClientSecretBasicRaw
}

// Incorrect: the callback is checked against a flow that another browser began. Keep each Flow for the one browser that
// was sent away with it, as weblogin does, and for one callback.
func Example_incorrectFlow() {
	client := &grants.Client{
		Provider: "example", AuthorizeURL: "https://as.example/authorize", TokenURL: "https://as.example/token", ID: "id", Auth: grants.None,
	}
	mine, _ := client.AuthorizationCode(context.Background(), nil)
	attackers, _ := client.AuthorizationCode(context.Background(), nil)
	_, err := client.Exchange(context.Background(), mine, url.Values{"code": {"C"}, "state": {attackers.State}})
	fmt.Println(errors.Is(err, grants.ErrCallback))
	// Output: true
}

// Incorrect: every failed refresh signs the user out. Only GrantDead does; an outage, a rate limit or a wrong client
// secret leaves the grant as good as it was. A keeper knows.
func Example_incorrectLogout() {
	client := &grants.Client{Provider: "example", TokenURL: "https://as.example/token", ID: "id", Auth: grants.None}
	for _, answer := range []struct {
		status int
		body   string
	}{{403, "<html>blocked</html>"}, {401, `{"error":"invalid_client"}`}, {502, ""}, {400, `{"error":"invalid_grant"}`}} {
		client.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return response(answer.status, answer.body, http.Header{}), nil
		})}
		_, err := client.Refresh(context.Background(), &store.Record{Token: store.Token{RefreshToken: "RT"}})
		var e *grants.Error
		fmt.Println(answer.status, errors.As(err, &e) && e.Class == grants.GrantDead)
	}
	// Output:
	// 403 false
	// 401 false
	// 502 false
	// 400 true
}

// Incorrect: a token from a fragment is taken for proof of who signed in, although it may have been issued to another
// application. Say how that is found out, or do not offer the grant.
func Example_incorrectImplicit() {
	client := &grants.Client{Provider: "example", AuthorizeURL: "https://as.example/authorize", ID: "id", Auth: grants.None}
	_, err := client.Implicit(context.Background(), nil)
	fmt.Println(err)
	// Output: grants: authorize at example: config_error: nothing would tell a token of this client from one of another: set IntrospectURL or VerifyImplicit
}
