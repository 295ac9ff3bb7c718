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

// Gin gives a route the middleware that Use has added so far: a route that was registered before is open to all. Name
// the guard on the group or on the route itself.
func ExampleRequire_incorrect() {
	guard, err := middleware.New(middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) {
		return nil, store.ErrNotFound
	}), middleware.Self, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	secret := func(c *gin.Context) { c.String(http.StatusOK, "secret") }
	router := gin.New()
	router.GET("/before", secret) // incorrect: it stands above the guard
	router.Use(ginauth.Require(guard))
	router.GET("/after", secret)
	router.GET("/itself", ginauth.Require(guard), secret)

	for _, path := range []string{"/before", "/after", "/itself"} {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		fmt.Println(path, w.Code)
	}
	// Output:
	// /before 200
	// /after 401
	// /itself 401
}
