package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// One of several scopes is enough: whoever may write may read, whether or not the token says so. The challenge names the
// first, which is then the one that clients ask for.
func ExampleGuard_RequireAny() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	call(guard.RequireAny("profile", "profile:write")(done), "alice-token")
	call(guard.RequireAny("orders", "orders:write")(done), "alice-token")
	// Output:
	// 200 done
	// 403 Bearer realm="api", error="insufficient_scope", error_description="the token lacks a required scope", scope="orders" {"error":"insufficient_scope","error_description":"the token lacks a required scope"}
}

// A site has pages and an API. Who opens a page without a session is sent to the login; a script and a program get an
// answer that they can read.
func ExampleToLogin() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	pages := guard.WithDeny(middleware.ToLogin("/login"))
	mux := http.NewServeMux()
	mux.Handle("GET /account", pages.Require()(done))
	mux.Handle("GET /api/account", guard.Require()(done))

	open := func(path, mode, dest string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Sec-Fetch-Mode", mode)
		r.Header.Set("Sec-Fetch-Dest", dest)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Printf("%s %s: %d %q\n", path, mode, w.Code, w.Header().Get("Location"))
	}
	open("/account", "navigate", "document")
	open("/account", "cors", "empty")
	open("/api/account", "navigate", "document")
	// Output:
	// /account navigate: 303 "/login?return_to=%2Faccount"
	// /account cors: 401 ""
	// /api/account navigate: 401 ""
}

// A route with an answer of its own.
func ExampleGuard_WithDeny() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	plain := guard.WithDeny(func(w http.ResponseWriter, _ *http.Request, err error) bool {
		if !errors.Is(err, middleware.ErrInsufficientScope) {
			return false // the standard answer
		}
		http.Error(w, "ask your administrator", http.StatusForbidden)
		return true
	})
	call(plain.Require("admin")(done), "alice-token")
	// Output: 403 Bearer realm="api", error="insufficient_scope", error_description="the token lacks a required scope", scope="admin" ask your administrator
}

// A service that accepts a partner's signed tokens beside its own opaque ones. Neither verifier sees what is the other's.
func ExampleByForm() {
	signed := middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) { // usually a *jwtauth.Verifier
		fmt.Println("a signed token")
		return &store.Record{Subject: "42"}, nil
	})
	opaque := middleware.VerifierFunc(func(ctx context.Context, credential string) (*store.Record, error) { // usually a *keeper.Keeper
		fmt.Println("an opaque token")
		return issued(ctx, credential)
	})
	guard, _ := middleware.New(middleware.ByForm(signed, opaque), byRecord, nil)
	call(guard.Require()(done), "alice-token")
	call(guard.Require()(done), "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl")
	// Output:
	// an opaque token
	// 200 done
	// a signed token
	// 200 done
}

// Users are looked up once in a minute, and at once after one of them was changed.
func ExampleCacheUsers() {
	lookups := 0
	users, err := middleware.CacheUsers(func(ctx context.Context, rec *store.Record) (*account, error) {
		lookups++
		return byRecord(ctx, rec)
	}, 10_000, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, _ := middleware.New(middleware.VerifierFunc(issued), users.Resolve, nil)
	for range 3 {
		call(guard.Require()(done), "alice-token")
	}
	users.Forget("", "42") // provider and subject; such as from the handler that locks an account
	call(guard.Require()(done), "alice-token")
	fmt.Println("looked up", lookups, "times")
	// Output:
	// 200 done
	// 200 done
	// 200 done
	// 200 done
	// looked up 2 times
}

// What goes on after the answer keeps the user, without the request's end.
func ExampleGuard_User() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	mailed := make(chan string)
	call(guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithoutCancel(r.Context())
		go func() {
			user, _ := guard.User(ctx)
			mailed <- user.Name
		}()
		fmt.Fprint(w, "on its way")
	})), "alice-token")
	fmt.Println("mail to", <-mailed)
	// Output:
	// 200 on its way
	// mail to Alice
}

// A form token for clients that can set no header (RFC 6750 section 2.2). The handler still reads the form.
func ExampleOptions() {
	guard, err := middleware.New(middleware.VerifierFunc(issued), byRecord, &middleware.Options{Realm: "uploads", FormToken: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader("access_token=alice-token&title=Report"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "title: ", r.FormValue("title"))
	})).ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 title: Report
}
