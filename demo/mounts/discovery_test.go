package mounts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/introspect"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// A program that knows no more than the resource's URL gets in: the challenge names the resource's metadata (RFC 9728),
// that names the authorization server, whose own metadata (RFC 8414) names its endpoints. When a tool needs more than
// was granted, the next challenge says what to ask for. This is the authorization that MCP asks of servers.
func Example_discovery() {
	login := newLogin()
	defer login.Close()
	resource := newResource(login.URL)
	defer resource.Close()

	ctx := context.Background()
	status, challenge := post(resource.URL+"/mcp", "", "list")
	fmt.Println(status, "the challenge names", path(challenge["resource_metadata"]))

	var about struct {
		Resource string
		Servers  []string `json:"authorization_servers"`
	}
	fetch(challenge["resource_metadata"], &about)
	if about.Resource != resource.URL+"/mcp" { // RFC 9728 section 3.3: anything else is somebody else's
		panic("the metadata is of another resource")
	}
	client, err := grants.Discover(ctx, &grants.Client{Issuer: about.Servers[0], ID: "agent", Secret: "of-agent"})
	if err != nil {
		panic(err)
	}
	fmt.Println("tokens come from", path(client.TokenURL))

	token, err := client.ClientCredentials(ctx, "tools")
	if err != nil {
		panic(err)
	}
	status, _ = post(resource.URL+"/mcp", token.AccessToken, "list")
	fmt.Println(status, "list")

	status, challenge = post(resource.URL+"/mcp", token.AccessToken, "delete")
	fmt.Println(status, challenge["error"], challenge["scope"])
	token, err = client.ClientCredentials(ctx, strings.Fields(challenge["scope"])...)
	if err != nil {
		panic(err)
	}
	status, _ = post(resource.URL+"/mcp", token.AccessToken, "delete")
	fmt.Println(status, "delete")
	// Output:
	// 401 the challenge names /.well-known/oauth-protected-resource/mcp
	// tokens come from /token
	// 200 list
	// 403 insufficient_scope tools tools:delete
	// 200 delete
}

// newLogin is an authorization server with one client that has tokens of its own, and one that may ask about tokens.
func newLogin() *httptest.Server {
	tokens, err := memstore.New(nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	nobody := func(context.Context, string, string) (string, error) { return "", store.ErrNotFound }
	srv, err := authserver.New(tokens, nobody, []authserver.Client{
		{ID: "agent", Secret: "of-agent", Grants: []string{"client_credentials"}, Scopes: []string{"tools", "tools:delete"}},
		{ID: "mcp", Secret: "of-mcp", Grants: []string{}, ResourceServer: true},
	}, &authserver.Options{Issuer: server.URL})
	if err != nil {
		panic(err)
	}
	mux.Handle("/token", srv.Token())
	mux.Handle("/introspect", srv.Introspect())
	mux.Handle("/.well-known/oauth-authorization-server", srv.Metadata(authserver.Endpoints{Token: "/token", Introspect: "/introspect"}))
	return server
}

// newResource is the protected resource: one endpoint, two tools, of which one needs a scope more.
func newResource(issuer string) *httptest.Server {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	tokens, err := introspect.New(&grants.Client{Issuer: issuer, IntrospectURL: issuer + "/introspect", ID: "mcp", Secret: "of-mcp"}, nil)
	if err != nil {
		panic(err)
	}
	guard, err := middleware.New(tokens, middleware.Self, &middleware.Options{
		Resource: server.URL + "/mcp", AuthorizationServers: []string{issuer}, Scopes: []string{"tools"},
	})
	if err != nil {
		panic(err)
	}
	mux.Handle(guard.Metadata())
	mux.Handle("POST /mcp", guard.Require("tools")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tool, err := io.ReadAll(io.LimitReader(r.Body, 100))
		if err == nil && string(tool) == "delete" {
			r, err = guard.Check(w, r, "tools", "tools:delete") // what only the body tells
		}
		if err != nil {
			guard.Deny(w, r, err)
			return
		}
		fmt.Fprintln(w, "done")
	})))
	return server
}

// post calls a tool and returns the status and the parameters of the challenge, if there is one.
func post(url, token, tool string) (status int, challenge map[string]string) {
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(tool))
	if err != nil {
		panic(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	challenge = map[string]string{}
	_, params, _ := strings.Cut(resp.Header.Get("WWW-Authenticate"), " ")
	for p := range strings.SplitSeq(params, ", ") { // enough for values without commas
		name, value, _ := strings.Cut(p, "=")
		challenge[name] = strings.Trim(value, `"`)
	}
	return resp.StatusCode, challenge
}

func fetch(url string, v any) {
	resp, err := http.Get(url)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		panic(err)
	}
}

// path is a URL without the host, which has another port each time.
func path(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return rest[strings.Index(rest, "/"):]
}
