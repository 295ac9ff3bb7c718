package migrate

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/store"
)

// GinJWTAfter is the same with tokenkeep: the client without an ID is the application's own login form.
func GinJWTAfter(tokens store.TokenStore, check Check) (*gin.Engine, error) {
	srv, err := authserver.New(tokens, check, []authserver.Client{{
		Grants:  []string{"password", "refresh_token"},
		Dialect: &authserver.Dialect{JSON: true, AccessTTL: time.Hour, GrantTTL: 24 * time.Hour},
	}}, nil)
	if err != nil {
		return nil, err
	}
	guard, err := middleware.New(srv, middleware.Self, nil)
	if err != nil {
		return nil, err
	}
	r := gin.New()
	r.POST("/login", gin.WrapH(srv.Token()))
	r.POST("/refresh_token", gin.WrapH(srv.Token()))
	r.POST("/logout", gin.WrapH(srv.Revoke()))
	r.GET("/hello", ginauth.Require(guard), func(c *gin.Context) {
		rec, _ := guard.User(c.Request.Context())
		c.JSON(http.StatusOK, gin.H{"id": rec.Subject})
	})
	return r, nil
}
