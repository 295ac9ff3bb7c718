package migrate_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/demo/migrate"
)

// The same sequence against both sides; what differs is what the README's table says.
func TestGinJWT(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.ReleaseMode) // nobody else here uses Gin
	before, err := migrate.GinJWTBefore([]byte("a key of at least thirty-two bytes!"), check)
	if err != nil {
		t.Fatal(err)
	}
	after, err := migrate.GinJWTAfter(memory(t), check)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "gin-jwt", ginJWT(t, before, true), ginJWT(t, after, false))
}

// ginJWT is the sequence as one side's clients send it.
func ginJWT(t *testing.T, h http.Handler, old bool) []step {
	const kind = "application/json"
	var access, refresh, first string
	login := func(username, password string) *reply {
		body := fmt.Sprintf(`{"username":%q,"password":%q}`, username, password)
		if !old {
			body = fmt.Sprintf(`{"grant_type":"password","username":%q,"password":%q}`, username, password)
		}
		got := post(h, "/login", kind, body, "")
		if old {
			access, refresh = got.text("token"), got.text("token") // one token for both
		} else {
			access, refresh = got.text("access_token"), got.text("refresh_token")
		}
		return got
	}
	renew := func(refresh string) *reply {
		if old {
			return post(h, "/refresh_token", kind, "", refresh)
		}
		return post(h, "/refresh_token", kind, fmt.Sprintf(`{"grant_type":"refresh_token","refresh_token":%q}`, refresh), "")
	}
	hello := func(token string) *reply {
		got := get(h, "/hello", token)
		if got.status == http.StatusOK && got.text("id") != "42" {
			t.Errorf("hello is %v, want 42's", got.json)
		}
		return got
	}
	return []step{
		{"login, wrong password", 401, 400, func() *reply { return login("alice", "wrong") }},
		{"login, no password", 401, 400, func() *reply { return login("alice", "") }},
		{"login", 200, 200, func() *reply { return login("alice", "wonderland") }},
		{"hello, no token", 401, 401, func() *reply { return hello("") }},
		{"hello, made-up token", 401, 401, func() *reply { return hello("made.up.token") }},
		{"hello", 200, 200, func() *reply { return hello(access) }},
		{"refresh", 200, 200, func() *reply {
			first = refresh
			got := renew(refresh)
			if old {
				access, refresh = got.text("token"), got.text("token")
			} else {
				access, refresh = got.text("access_token"), got.text("refresh_token")
			}
			return got
		}},
		{"hello, after the refresh", 200, 200, func() *reply { return hello(access) }},
		{"refresh by what was used before", 200, 400, func() *reply { return renew(first) }},
		{"hello, after that", 200, 401, func() *reply { return hello(access) }},
		{"login again", 200, 200, func() *reply { return login("alice", "wonderland") }},
		{"logout", 200, 200, func() *reply {
			if old {
				return post(h, "/logout", kind, "", access)
			}
			return post(h, "/logout", kind, fmt.Sprintf(`{"token":%q}`, refresh), "")
		}},
		{"hello, after the logout", 200, 401, func() *reply { return hello(access) }},
	}
}
