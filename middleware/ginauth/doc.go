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
// so does guard.User(c.Copy()): the identity is in the request's context and nowhere else, so handlers behind gin.WrapH
// find it too. A copy's request keeps its cancellation: a goroutine that outlives the request passes
// context.WithoutCancel(c.Request.Context()) on.
//
// Routes that refuse in another way, such as pages, take ginauth.Require(guard.WithDeny(…)).
package ginauth
