package migrate

import (
	"net/http"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v2"
	"github.com/gin-gonic/gin"
)

// GinJWTBefore is a login, a refresh and a protected route with gin-jwt.
func GinJWTBefore(key []byte, check Check) (*gin.Engine, error) {
	auth, err := ginjwt.New(&ginjwt.GinJWTMiddleware{
		Realm: "app", Key: key, Timeout: time.Hour, MaxRefresh: 24 * time.Hour,
		Authenticator: func(c *gin.Context) (any, error) {
			var login struct{ Username, Password string }
			if err := c.ShouldBindJSON(&login); err != nil {
				return nil, ginjwt.ErrMissingLoginValues
			}
			id, err := check(c, login.Username, login.Password)
			if err != nil {
				return nil, ginjwt.ErrFailedAuthentication
			}
			return id, nil
		},
		PayloadFunc: func(id any) ginjwt.MapClaims { return ginjwt.MapClaims{"id": id} },
	})
	if err != nil {
		return nil, err
	}
	r := gin.New()
	r.POST("/login", auth.LoginHandler)
	r.POST("/refresh_token", auth.RefreshHandler)
	r.POST("/logout", auth.LogoutHandler)
	r.GET("/hello", auth.MiddlewareFunc(), func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"id": ginjwt.ExtractClaims(c)["id"]})
	})
	return r, nil
}
