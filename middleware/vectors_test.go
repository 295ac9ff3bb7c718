package middleware_test

import (
	"net/http"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
)

func TestBearerRequests(t *testing.T) {
	t.Parallel()
	guardtest.Run(t, "testdata/bearer_requests.json", func(c *guardtest.Case, guard *guardtest.Guard, next http.HandlerFunc) http.Handler {
		mount := guard.Require
		if c.Config.Optional {
			mount = guard.Optional
		}
		return guardtest.Recover(mount(c.Config.Scopes...)(next))
	})
}

func TestCookieRequests(t *testing.T) {
	t.Parallel()
	guardtest.RunCookies(t, "testdata/cookie_requests.json", func(guard *guardtest.SessionGuard, optional bool, next http.HandlerFunc) http.Handler {
		if optional {
			return guard.Optional()(next)
		}
		return guard.Require()(next)
	})
}
