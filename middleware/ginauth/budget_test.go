//go:build !race

package ginauth_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
)

// In Gin a guarded request allocates what it allocates in net/http, and asking for the user nothing.
func TestAllocations(t *testing.T) {
	guard, _ := newGuard(t)
	router := gin.New()
	router.GET("/me", ginauth.Require(guard, "read"), func(c *gin.Context) {
		if _, ok := guard.User(c); !ok {
			t.Error("no user")
		}
	})
	r, err := http.NewRequest(http.MethodGet, "/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer both")
	w := discard{http.Header{}}
	plain := guard.Require("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	want := testing.AllocsPerRun(1000, func() { plain.ServeHTTP(w, r) })
	if got := testing.AllocsPerRun(1000, func() { router.ServeHTTP(w, r) }); got > want {
		t.Errorf("%v allocations, %v in net/http", got, want)
	}
}
