package ginauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

func TestBearerRequests(t *testing.T) {
	t.Parallel()
	guardtest.Run(t, "../testdata/bearer_requests.json", func(c *guardtest.Case, guard *guardtest.Guard, next http.HandlerFunc) http.Handler {
		router := gin.New()
		router.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) { c.AbortWithStatus(http.StatusInternalServerError) }))
		mount := ginauth.Require[*guardtest.User]
		if c.Config.Optional {
			mount = ginauth.Optional[*guardtest.User]
		}
		router.Any("/me", mount(guard, c.Config.Scopes...), func(c *gin.Context) { next(c.Writer, c.Request) })
		return router
	})
}

func TestCookieRequests(t *testing.T) {
	t.Parallel()
	guardtest.RunCookies(t, "../testdata/cookie_requests.json", func(guard *guardtest.SessionGuard, optional bool, next http.HandlerFunc) http.Handler {
		router := gin.New()
		mount := ginauth.Require[*store.Record]
		if optional {
			mount = ginauth.Optional[*store.Record]
		}
		router.GET("/", mount(guard), func(c *gin.Context) { next(c.Writer, c.Request) })
		return router
	})
}

func TestPassThrough(t *testing.T) {
	t.Parallel()
	guardtest.PassThrough(t, func(c *guardtest.Case, guard *guardtest.Guard, next http.HandlerFunc) http.Handler {
		router := gin.New()
		router.GET("/*path", ginauth.Require(guard, c.Config.Scopes...), func(c *gin.Context) { next(c.Writer, c.Request) })
		return router
	})
}

// newGuard knows the tokens "reader", "writer" and "both", which are their own subjects, and counts validations.
func newGuard(t testing.TB) (*guardtest.Guard, *int) {
	t.Helper()
	calls := new(int)
	scopes := map[string]string{"reader": "read", "writer": "write", "both": "read write"}
	verify := func(_ context.Context, credential string) (*store.Record, error) {
		*calls++
		granted, ok := scopes[credential]
		if !ok {
			return nil, store.ErrNotFound
		}
		return &store.Record{Subject: credential, Token: store.Token{Scopes: strings.Fields(granted)}}, nil
	}
	guard, err := middleware.New(middleware.VerifierFunc(verify), guardtest.Resolve, nil)
	if err != nil {
		t.Fatal(err)
	}
	return guard, calls
}

func get(h http.Handler, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestUserEverywhere(t *testing.T) {
	t.Parallel()
	for _, fallback := range []bool{false, true} {
		guard, _ := newGuard(t)
		router := gin.New()
		router.ContextWithFallback = fallback
		seen := map[string]context.Context{}
		router.GET("/me", ginauth.Require(guard), func(c *gin.Context) {
			derived, cancel := context.WithCancel(c)
			defer cancel()
			seen["gin"], seen["request"], seen["copy"], seen["derived"] = c.Copy(), c.Request.Context(), c.Copy(), derived
			if user, ok := guard.User(c); !ok || user.ID != "both" {
				t.Errorf("guard.User(c): %v, %v", user, ok)
			}
			for name, ctx := range seen {
				if user, ok := guard.User(ctx); !ok || user.ID != "both" {
					t.Errorf("fallback %v: user of %s: %v, %v", fallback, name, user, ok)
				}
				if rec, ok := guard.Record(ctx); !ok || rec.Subject != "both" {
					t.Errorf("fallback %v: record of %s: %v, %v", fallback, name, rec, ok)
				}
			}
		})
		if w := get(router, "/me", "both"); w.Code != http.StatusOK {
			t.Errorf("status %d", w.Code)
		}
		get(router, "/me", "other") // the router uses its contexts again; a copy stays what it was
		if user, ok := guard.User(seen["copy"]); !ok || user.ID != "both" {
			t.Errorf("fallback %v: user of a copy after the request: %v, %v", fallback, user, ok)
		}
		later := context.WithoutCancel(seen["request"])
		if user, ok := guard.User(later); !ok || user.ID != "both" || later.Err() != nil {
			t.Error("the user does not outlive the request")
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, token string
		status, calls     int
		ran               string
	}{
		{"both scopes", "/api/admin/x", "both", 200, 1, "before handler"},
		{"outer lacks", "/api/admin/x", "writer", 403, 1, ""},
		{"inner lacks", "/api/admin/x", "reader", 403, 1, "before "},
		{"nobody", "/api/admin/x", "", 401, 0, ""},
		{"unknown", "/api/admin/x", "other", 401, 1, ""},
		{"outer only", "/api/x", "reader", 200, 1, "before handler"},
		{"optional, nobody", "/open/x", "", 200, 0, "handler"},
		{"optional, unknown", "/open/x", "other", 401, 1, ""},
		{"required inside optional", "/open/mine/x", "", 401, 0, ""},
		{"required inside optional, known", "/open/mine/x", "reader", 200, 1, "handler"},
		{"any of two", "/api/any/x", "reader", 200, 1, "before handler"},
		{"none of two", "/api/none/x", "both", 403, 1, "before "},
		{"net/http handler, wrapped", "/api/wrapped", "reader", 200, 1, "before wrapped reader"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			guard, calls := newGuard(t)
			ran := ""
			note := func(s string) gin.HandlerFunc { return func(*gin.Context) { ran += s } }
			router := gin.New()
			api := router.Group("/api", ginauth.Require(guard, "read"), note("before "))
			api.GET("/x", note("handler"))
			api.Group("/admin", ginauth.Require(guard, "write")).GET("/x", note("handler"))
			api.Group("/any", ginauth.RequireAny(guard, "admin", "read")).GET("/x", note("handler"))
			api.Group("/none", ginauth.RequireAny(guard, "admin", "root")).GET("/x", note("handler"))
			api.GET("/wrapped", gin.WrapH(guard.Require("read")(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				user, _ := guard.User(r.Context())
				ran += "wrapped " + user.ID
			}))))
			open := router.Group("/open", ginauth.Optional(guard))
			open.GET("/x", note("handler"))
			open.Group("/mine", ginauth.Require(guard)).GET("/x", note("handler"))
			if w := get(router, tt.path, tt.token); w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if *calls != tt.calls || ran != tt.ran {
				t.Errorf("validated %d times, want %d; ran %q, want %q", *calls, tt.calls, ran, tt.ran)
			}
		})
	}
}

func TestNoScope(t *testing.T) {
	t.Parallel()
	guard, _ := newGuard(t)
	for name, mount := range map[string]func(*guardtest.Guard, ...string) gin.HandlerFunc{
		"Require": ginauth.Require[*guardtest.User], "Optional": ginauth.Optional[*guardtest.User],
		"RequireAny": ginauth.RequireAny[*guardtest.User],
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s accepted a scope with a space", name)
				}
			}()
			mount(guard, "read write")
		}()
	}
}

// A page of a site that is Gin's goes to the login, and the user is the same whichever guard admitted him.
func TestWithDeny(t *testing.T) {
	t.Parallel()
	guard, calls := newGuard(t)
	router := gin.New()
	pages := guard.WithDeny(middleware.ToLogin("/login"))
	router.GET("/account", ginauth.Require(pages), ginauth.Require(guard, "read"), func(c *gin.Context) {
		user, ok := guard.User(c)
		c.String(http.StatusOK, "%s %v", user.ID, ok)
	})
	if w := get(router, "/account", "both"); w.Body.String() != "both true" || *calls != 1 {
		t.Errorf("%d %s, validated %d times", w.Code, w.Body, *calls)
	}
	if w := get(router, "/account", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a program: %d", w.Code)
	}
	r := httptest.NewRequest(http.MethodGet, "/account?x=1", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login?return_to=%2Faccount%3Fx%3D1" {
		t.Errorf("a page: %d %v", w.Code, w.Header())
	}
}

// Two guards in one router know their own users only, through gin.Context too.
func TestTwoGuards(t *testing.T) {
	t.Parallel()
	one, _ := newGuard(t)
	two, _ := newGuard(t)
	router := gin.New()
	router.GET("/", ginauth.Require(one), ginauth.Optional(one), func(c *gin.Context) {
		if user, ok := two.User(c); ok {
			t.Errorf("the other guard knows %v", user)
		}
		if _, ok := one.User(c); !ok {
			t.Error("its own does not")
		}
	})
	router.GET("/two", ginauth.Require(two), func(c *gin.Context) {
		if user, ok := one.User(c); ok {
			t.Errorf("the other guard knows %v", user)
		}
	})
	for _, path := range []string{"/", "/two"} {
		if w := get(router, path, "both"); w.Code != http.StatusOK {
			t.Errorf("status %d", w.Code)
		}
	}
	empty := &gin.Context{} // as in a test of a handler that was given no request
	if user, ok := one.User(empty); ok || user != nil {
		t.Errorf("user %v", user)
	}
}

// Nothing that a request says of itself changes who is asking.
func TestHeadersNameNobody(t *testing.T) {
	t.Parallel()
	guard, _ := newGuard(t)
	router := gin.New()
	router.GET("/", ginauth.Require(guard), func(c *gin.Context) {
		user, _ := guard.User(c)
		c.String(http.StatusOK, user.ID)
	})
	r := httptest.NewRequest(http.MethodGet, "/?user=writer", nil)
	r.Header = http.Header{
		"Authorization": {"Bearer reader"}, "X-User": {"writer"}, "X_User": {"writer"}, "X-Forwarded-User": {"writer"}, "Connection": {"Authorization"},
	}
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	if w.Body.String() != "reader" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
