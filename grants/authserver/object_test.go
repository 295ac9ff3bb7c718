package authserver_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// Whatever a subject, an audience or a client is called, answers are JSON that says so.
func TestNamesInAnswers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`a"b\c`, "é\u2028<&>", "\x01\t\n\x7f", "日本", "a b", "{}"} {
		for _, audience := range [][]string{nil, {name}, {"https://api.example", name}} {
			svc := newService(t, func(set *setup) {
				set.clients[0].ID, set.clients[0].Scopes = name, []string{"<read>", "&"}
				set.clients[0].Dialect = &authserver.Dialect{Audience: audience}
				set.options.Keys = append(set.options.Keys, newSigner(t, "k"))
				set.options.Authenticate = func(http.ResponseWriter, *http.Request) (string, bool) { return name, true }
			})
			query := form("response_type", "code", "client_id", name, "redirect_uri", "https://app.example/callback")
			got := svc.postAs("", "", "/token", "client_id", name, "client_secret", secret, "grant_type", "authorization_code",
				"code", svc.allow(query).Get("code"), "redirect_uri", "https://app.example/callback")
			if text(t, got, "scope") != "<read> &" {
				t.Errorf("%q: scope %v", name, got.json["scope"])
			}
			told := svc.postAs("", "", "/introspect", "client_id", name, "client_secret", secret, "token", text(t, got, "access_token"))
			var want any
			switch len(audience) {
			case 1:
				want = name
			case 2:
				want = []any{"https://api.example", name}
			}
			if told.json["sub"] != name || told.json["client_id"] != name || !reflect.DeepEqual(told.json["aud"], want) {
				t.Errorf("%q: %s", name, told.body)
			}
		}
	}
}
