// Command first is the program on the first screen of the README; a test keeps the two equal.
package main

import (
	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func main() {
	tokens, _ := memstore.New(nil)
	client := &grants.Client{TokenURL: "https://id.example/token", ID: "app", Secret: "…"}
	keep, _ := keeper.New(tokens, client, nil)
	guard, _ := middleware.New(keep, middleware.Self, nil) // or your own function from record to *User
	r := gin.Default()
	r.GET("/me", ginauth.Require(guard, "profile"), func(c *gin.Context) {
		user, _ := guard.User(c)
		c.String(200, user.Subject)
	})
	r.Run("127.0.0.1:8080")
}
