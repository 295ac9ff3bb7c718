// Command first is the program on the first screen of the README; a test keeps the two equal.
package main

import (
	"log"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func main() {
	client := &grants.Client{TokenURL: "https://id.example/token", ID: "app", Secret: "…"}
	keep := must(keeper.New(must(memstore.New(nil)), client, nil))
	guard := must(middleware.New(keep, middleware.Self, nil)) // or your own function from record to *User

	r := gin.Default()
	r.GET("/me", ginauth.Require(guard, "profile"), func(c *gin.Context) {
		user, _ := guard.User(c)
		c.String(200, user.Subject)
	})
	r.GET("/plain", gin.WrapH(guard.Require("profile")(http.HandlerFunc(me)))) // the same around net/http
	must(0, r.Run("127.0.0.1:8080"))
}

func me(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
