package authserver_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

func TestRedirectURI(t *testing.T) {
	t.Parallel()
	const app, native = "https://app.example/callback", "http://127.0.0.1/cb"
	for _, tt := range []struct {
		name, client, uri string
		good              bool
	}{
		{"registered", "web", app, true},
		{"registered, with a query", "web", "https://app.example/other?x=1", true},
		{"missing, several registered", "web", "", false},
		{"http", "web", "http://app.example/callback", false},
		{"capital scheme", "web", "HTTPS://app.example/callback", false},
		{"capital host", "web", "https://APP.example/callback", false},
		{"trailing dot", "web", "https://app.example./callback", false},
		{"default port", "web", "https://app.example:443/callback", false},
		{"trailing slash", "web", app + "/", false},
		{"double slash", "web", "https://app.example//callback", false},
		{"dot segment", "web", "https://app.example/x/../callback", false},
		{"escaped", "web", "https://app.example/%63allback", false},
		{"query added", "web", app + "?x=1", false},
		{"query removed", "web", "https://app.example/other", false},
		{"empty query", "web", app + "?", false},
		{"fragment", "web", app + "#x", false},
		{"user information", "web", "https://app.example@evil.example/callback", false},
		{"backslash", "web", `https://app.example\@evil.example/callback`, false},
		{"longer host", "web", "https://app.example.evil.example/callback", false},
		{"leading space", "web", " " + app, false},
		{"trailing newline", "web", app + "\n", false},
		{"scheme relative", "web", "//app.example/callback", false},
		{"javascript", "web", "javascript:alert(1)//" + app, false},
		{"another client's", "web", "https://other.example/cb", false},
		{"port on a web client", "web", "https://app.example:8443/callback", false},

		{"loopback without port", "spa", native, true},
		{"loopback with a port", "spa", "http://127.0.0.1:49152/cb", true},
		{"loopback with the highest port", "spa", "http://127.0.0.1:65535/cb", true},
		{"port too high", "spa", "http://127.0.0.1:65536/cb", false},
		{"port 0", "spa", "http://127.0.0.1:0/cb", false},
		{"empty port", "spa", "http://127.0.0.1:/cb", false},
		{"port with a sign", "spa", "http://127.0.0.1:+80/cb", false},
		{"other path", "spa", "http://127.0.0.1:49152/cb2", false},
		{"path below", "spa", "http://127.0.0.1:49152/cb/x", false},
		{"other loopback address", "spa", "http://127.0.0.2:49152/cb", false},
		{"localhost", "spa", "http://localhost:49152/cb", false},
		{"IPv6 for IPv4", "spa", "http://[::1]:49152/cb", false},
		{"https", "spa", "https://127.0.0.1:49152/cb", false},
		{"loopback as user information", "spa", "http://127.0.0.1:80@evil.example/cb", false},
		{"loopback as a prefix", "spa", "http://127.0.0.1.evil.example/cb", false},
		{"loopback as digits", "spa", "http://127.0.0.11/cb", false},

		{"IPv6", "native6", "http://[::1]:1234/", true},
		{"IPv6 without a path", "native6", "http://[::1]:1234", false},
		{"an app's scheme", "native6", "com.example.app:/cb", true},
		{"loopback, but not native", "loop", "http://127.0.0.1:1234/cb", false},
		{"missing, one registered", "loop", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t, func(set *setup) {
				set.clients = append(set.clients,
					authserver.Client{ID: "native6", Native: true, RedirectURIs: []string{"http://[::1]/", "com.example.app:/cb"}},
					authserver.Client{ID: "loop", RedirectURIs: []string{"http://127.0.0.1/cb"}})
			})
			query := url.Values{
				"response_type": {"code"}, "client_id": {tt.client}, "state": {"S"},
				"code_challenge": {challenge}, "code_challenge_method": {"S256"},
			}
			if tt.uri != "" {
				query.Set("redirect_uri", tt.uri)
			}
			carried, got := svc.page(query.Encode())
			if (carried != "") != tt.good {
				t.Fatalf("accepted: %v, want %v: %d", carried != "", tt.good, got.StatusCode)
			}
			if !tt.good {
				if got.StatusCode != 400 || got.Header.Get("Location") != "" || strings.Contains(got.body, "evil") {
					t.Errorf("status %d, Location %q: %s", got.StatusCode, got.Header.Get("Location"), got.body)
				}
				return
			}
			sent := svc.answer("request", carried, "decision", "deny")
			if to, want := sent.Header.Get("Location"), tt.uri; !strings.HasPrefix(to, want) || sent.StatusCode != 303 {
				t.Errorf("sent to %q, want %q", to, want)
			}
		})
	}
}

func TestQueryOfARedirectURIStays(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	carried, _ := svc.page("response_type=code&client_id=web&redirect_uri=" + url.QueryEscape("https://app.example/other?x=1"))
	to := svc.answer("request", carried, "decision", "deny").Header.Get("Location")
	if !strings.HasPrefix(to, "https://app.example/other?x=1&") || strings.Contains(to, "state=") {
		t.Errorf("sent to %q", to)
	}
}
