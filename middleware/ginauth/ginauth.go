package ginauth

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/middleware"
)

// Require is [middleware.Guard.Require] for Gin: a refused request is answered and aborted.
func Require[U any](g *middleware.Guard[U], scopes ...string) gin.HandlerFunc {
	g.Require(scopes...) // panics here, not at the first request, if a scope is none
	return mount(g, g.Check, scopes)
}

// Optional is [middleware.Guard.Optional] for Gin.
func Optional[U any](g *middleware.Guard[U], scopes ...string) gin.HandlerFunc {
	g.Optional(scopes...)
	return mount(g, g.CheckOptional, scopes)
}

// RequireAny is [middleware.Guard.RequireAny] for Gin.
func RequireAny[U any](g *middleware.Guard[U], scopes ...string) gin.HandlerFunc {
	g.RequireAny(scopes...)
	return mount(g, g.CheckAny, scopes)
}

type check func(w http.ResponseWriter, r *http.Request, scopes ...string) (*http.Request, error)

func mount[U any](g *middleware.Guard[U], check check, scopes []string) gin.HandlerFunc {
	g.Adapt(gin.ContextRequestKey) // so that g.User(c) answers, whatever Engine.ContextWithFallback says
	return func(c *gin.Context) {
		r, err := check(c.Writer, c.Request, scopes...)
		if err != nil {
			g.Deny(c.Writer, r, err)
			c.Abort()
			return
		}
		c.Request = r
	}
}
