package introspect_test

import (
	"context"
	"fmt"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware/introspect"
)

// Without Audience every token of the server's opens this service, whichever service it was issued for: whoever operates
// one of those can use its users' tokens here. Name this service wherever the server tells an audience.
func ExampleOptions_incorrect() {
	s := newServer() // an authorization server that many services share
	s.set("for-the-newsletter", `{"active":true,"sub":"alice","aud":"https://newsletter.example"}`)
	for _, o := range []*introspect.Options{nil, {Audience: []string{"https://bank.example"}}} {
		tokens, _ := introspect.New(&grants.Client{IntrospectURL: "https://id.example/introspect", ID: "bank", Secret: "s3cret", HTTP: s.client()}, o)
		rec, err := tokens.Verify(context.Background(), "for-the-newsletter")
		fmt.Println(rec != nil, err)
	}
	// Output:
	// true <nil>
	// false introspect: the token is for another audience: store: record not found
}
