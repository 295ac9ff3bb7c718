package migrate_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tokenkeep/tokenkeep/demo/migrate"
)

func signedIn(*http.Request) string { return "42" }

// The same sequence against both sides; what differs is what the README's table says.
func TestGoOAuth2(t *testing.T) {
	t.Parallel()
	before, err := migrate.GoOAuth2Before(signedIn)
	if err != nil {
		t.Fatal(err)
	}
	after, err := migrate.GoOAuth2After(memory(t), signedIn)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "go-oauth2", goOAuth2(t, before), goOAuth2(t, after))
}

const callback = "http://127.0.0.1:9094/callback"

// goOAuth2 is the sequence as the clients of both sides send it.
func goOAuth2(t *testing.T, h http.Handler) []step {
	var code, access, refresh, first string
	known := "response_type=code&client_id=partner&state=xyz&scope=read&redirect_uri=" + url.QueryEscape(callback)
	token := func(pairs ...string) *reply {
		got := form(h, "/token", append([]string{"client_id", "partner", "client_secret", "partner-secret"}, pairs...)...)
		if got.status == http.StatusOK {
			access, refresh = got.text("access_token"), got.text("refresh_token")
		}
		return got
	}
	exchange := func() *reply {
		return token("grant_type", "authorization_code", "code", code, "redirect_uri", callback)
	}
	me := func(token string) *reply {
		got := get(h, "/me", token)
		if got.status == http.StatusOK && got.text("id") != "42" {
			t.Errorf("me is %v, want 42", got.json)
		}
		return got
	}
	return []step{
		{"authorize, unknown client", 302, 400, func() *reply {
			return authorize(h, "response_type=code&client_id=nobody&redirect_uri="+url.QueryEscape(callback))
		}},
		{"authorize, redirect URI of another host", 302, 400, func() *reply {
			return authorize(h, "response_type=code&client_id=partner&redirect_uri=https%3A%2F%2Fevil.example%2F")
		}},
		{"authorize, another path of the same host", 302, 400, func() *reply {
			return authorize(h, "response_type=code&client_id=partner&redirect_uri=http%3A%2F%2F127.0.0.1%3A9094%2Fopen")
		}},
		{"authorize", 302, 303, func() *reply {
			got := authorize(h, known)
			to, err := url.Parse(got.header.Get("Location"))
			if err != nil || to.Query().Get("state") != "xyz" {
				t.Errorf("sent to %v, %v", to, err)
			}
			code = to.Query().Get("code")
			return got
		}},
		{"exchange, wrong secret", 401, 400, func() *reply {
			return form(h, "/token", "client_id", "partner", "client_secret", "wrong", "grant_type", "authorization_code",
				"code", code, "redirect_uri", callback)
		}},
		{"exchange", 200, 200, exchange},
		{"me", 200, 200, func() *reply { return me(access) }},
		{"me, made-up token", 401, 401, func() *reply { return me("made-up") }},
		{"refresh", 200, 200, func() *reply {
			first = refresh
			return token("grant_type", "refresh_token", "refresh_token", refresh)
		}},
		{"me, after the refresh", 200, 200, func() *reply { return me(access) }},
		{"refresh by what was used before", 401, 400, func() *reply {
			return token("grant_type", "refresh_token", "refresh_token", first)
		}},
		{"me, after that", 200, 401, func() *reply { return me(access) }},
		{"exchange of the same code again", 401, 400, exchange},
		{"unknown grant type", 401, 400, func() *reply { return token("grant_type", "magic") }},
	}
}
