package mounts_test

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
)

// The standard library's router: a route at a time, or a whole tree of them.
func Example_mux() {
	guard := newGuard()
	article := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := guard.User(r.Context())
		fmt.Fprintln(w, user.Name, "reads", r.PathValue("id"))
	})
	admin := http.NewServeMux()
	admin.HandleFunc("DELETE /admin/articles/{id}", func(w http.ResponseWriter, r *http.Request) {
		user, _ := guard.User(r.Context())
		fmt.Fprintln(w, user.Name, "deletes", r.PathValue("id"))
	})
	mux := http.NewServeMux()
	mux.Handle("GET /articles/{id}", guard.Require("read")(article))
	mux.Handle("/admin/", guard.Require("write")(admin))

	call(mux, "GET", "/articles/7", "reader")
	call(mux, "GET", "/articles/7", "")
	call(mux, "DELETE", "/admin/articles/7", "reader")
	call(mux, "DELETE", "/admin/articles/7", "editor")
	// Output:
	// GET /articles/7 200 reader reads 7
	// GET /articles/7 401 {}
	// DELETE /admin/articles/7 403 {"error":"insufficient_scope","error_description":"the token lacks a required scope"}
	// DELETE /admin/articles/7 200 editor deletes 7
}

// chi: Use for a group, With for a route. A token is looked up once, however deep the groups.
func Example_chi() {
	guard := newGuard()
	r := chi.NewRouter()
	r.Route("/articles", func(r chi.Router) {
		r.Use(guard.Require("read"))
		r.Get("/{id}", func(w http.ResponseWriter, r *http.Request) {
			user, _ := guard.User(r.Context())
			fmt.Fprintln(w, user.Name, "reads", chi.URLParam(r, "id"))
		})
		r.With(guard.Require("write")).Delete("/{id}", func(w http.ResponseWriter, r *http.Request) {
			user, _ := guard.User(r.Context())
			fmt.Fprintln(w, user.Name, "deletes", chi.URLParam(r, "id"))
		})
	})

	call(r, "GET", "/articles/7", "reader")
	call(r, "GET", "/articles/7", "")
	call(r, "DELETE", "/articles/7", "reader")
	call(r, "DELETE", "/articles/7", "editor")
	// Output:
	// GET /articles/7 200 reader reads 7
	// GET /articles/7 401 {}
	// DELETE /articles/7 403 {"error":"insufficient_scope","error_description":"the token lacks a required scope"}
	// DELETE /articles/7 200 editor deletes 7
}

// Echo takes the guard by its own WrapMiddleware; the identity is in c.Request().Context().
func Example_echo() {
	guard := newGuard()
	e := echo.New()
	articles := e.Group("/articles", echo.WrapMiddleware(guard.Require("read")))
	articles.GET("/:id", func(c echo.Context) error {
		user, _ := guard.User(c.Request().Context())
		return c.String(http.StatusOK, user.Name+" reads "+c.Param("id"))
	})
	articles.DELETE("/:id", func(c echo.Context) error {
		user, _ := guard.User(c.Request().Context())
		return c.String(http.StatusOK, user.Name+" deletes "+c.Param("id"))
	}, echo.WrapMiddleware(guard.Require("write")))

	call(e, "GET", "/articles/7", "reader")
	call(e, "GET", "/articles/7", "")
	call(e, "DELETE", "/articles/7", "reader")
	call(e, "DELETE", "/articles/7", "editor")
	// Output:
	// GET /articles/7 200 reader reads 7
	// GET /articles/7 401 {}
	// DELETE /articles/7 403 {"error":"insufficient_scope","error_description":"the token lacks a required scope"}
	// DELETE /articles/7 200 editor deletes 7
}
