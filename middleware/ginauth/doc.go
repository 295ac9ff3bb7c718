// Package ginauth mounts a guard in Gin.
//
//	guard, err := middleware.New(keep, users.ByRecord, nil)
//	api := router.Group("/api", ginauth.Require(guard, "profile"))
//	api.GET("/me", func(c *gin.Context) {
//		user, _ := guard.User(c)
//		c.JSON(http.StatusOK, user)
//	})
//
// guard.User(c) and guard.User(c.Request.Context()) give the same answer, whatever Engine.ContextWithFallback says, and
// so does guard.User(c.Copy()). A copy's request keeps its cancellation: a goroutine that outlives the request passes
// context.WithoutCancel(c.Request.Context()) on.
package ginauth
