package ginauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/store"
)

func ExampleRequire() {
	verify := middleware.VerifierFunc(func(_ context.Context, credential string) (*store.Record, error) {
		if credential != "alice-token" {
			return nil, store.ErrNotFound
		}
		return &store.Record{Subject: "alice", Token: store.Token{Scopes: []string{"profile"}}}, nil
	})
	guard, err := middleware.New(verify, middleware.Self, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	router := gin.New()
	api := router.Group("/api", ginauth.Require(guard, "profile"))
	api.GET("/me", func(c *gin.Context) {
		rec, _ := guard.User(c)
		c.JSON(http.StatusOK, gin.H{"user": rec.Subject})
	})

	r := httptest.NewRequest("GET", "/api/me", nil)
	r.Header.Set("Authorization", "Bearer alice-token")
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 {"user":"alice"}
}
