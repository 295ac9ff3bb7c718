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

// Groups inside groups: the token is verified once, and all their scopes are required.
func ExampleRequireAny() {
	guard, err := middleware.New(middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) {
		return &store.Record{Subject: "alice", Token: store.Token{Scopes: []string{"read", "orders:write"}}}, nil
	}), middleware.Self, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	hello := func(c *gin.Context) { c.String(http.StatusOK, "hello") }
	router := gin.New()
	api := router.Group("/api", ginauth.Require(guard, "read"))
	api.GET("/orders", ginauth.RequireAny(guard, "orders", "orders:write"), hello)
	api.GET("/admin", ginauth.RequireAny(guard, "admin", "root"), hello)

	for _, path := range []string{"/api/orders", "/api/admin"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer alice-token")
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		fmt.Println(path, w.Code)
	}
	// Output:
	// /api/orders 200
	// /api/admin 403
}

// A copy of a gin.Context is for goroutines, and it knows the user; but its request's context ends with the request.
// What goes on for longer takes the context without that end, and the user with it.
func ExampleRequire_goroutine() {
	guard, err := middleware.New(middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) {
		return &store.Record{Subject: "alice"}, nil
	}), middleware.Self, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	finished, mailed := make(chan struct{}), make(chan string)
	router := gin.New()
	router.POST("/mail", ginauth.Require(guard), func(c *gin.Context) {
		copied := c.Copy()
		ctx := context.WithoutCancel(copied.Request.Context())
		go func() {
			<-finished
			user, _ := guard.User(ctx)
			again, _ := guard.User(copied)
			mailed <- fmt.Sprintln(user.Subject, ctx.Err(), again.Subject, copied.Request.Context().Err())
		}()
		c.Status(http.StatusAccepted)
	})

	ctx, end := context.WithCancel(context.Background())
	r := httptest.NewRequest("POST", "/mail", nil).WithContext(ctx)
	r.Header.Set("Authorization", "Bearer alice-token")
	router.ServeHTTP(httptest.NewRecorder(), r)
	end() // as net/http does after each request
	close(finished)
	fmt.Print(<-mailed)
	// Output: alice <nil> alice context canceled
}
