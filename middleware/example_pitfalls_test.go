package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// A cached resolver must look at provider and subject alone. What it takes from the token, such as a role, the next token
// of the same user gets as well, whatever that one says. Such things belong to the record, which is each request's own:
// guard.Record.
func ExampleCacheUsers_incorrect() {
	type member struct{ Name, Role string }
	roles := map[string]string{"as-admin": "admin", "as-guest": "guest"}
	verify := middleware.VerifierFunc(func(_ context.Context, credential string) (*store.Record, error) {
		return &store.Record{Subject: "42", Token: store.Token{Scopes: []string{roles[credential]}}}, nil
	})
	byToken := func(_ context.Context, rec *store.Record) (*member, error) {
		return &member{"Alice", rec.Token.Scopes[0]}, nil // incorrect
	}
	users, _ := middleware.CacheUsers(byToken, 100, time.Minute)
	guard, _ := middleware.New(verify, users.Resolve, nil)
	for _, token := range []string{"as-admin", "as-guest"} {
		call(guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := guard.User(r.Context())
			rec, _ := guard.Record(r.Context())
			fmt.Fprintln(w, "by the user:", user.Role, "by the record:", rec.Token.Scopes[0])
		})), token)
	}
	// Output:
	// 200 by the user: admin by the record: admin
	// 200 by the user: admin by the record: guest
}

// Optional lets everybody in who shows no bad token, so its handler must look whether there is a user.
func ExampleGuard_Optional_incorrect() {
	guard, _ := middleware.New(middleware.VerifierFunc(issued), func(_ context.Context, rec *store.Record) (account, error) {
		return account{rec.Subject}, nil
	}, nil)
	call(guard.Optional()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := guard.User(r.Context()) // incorrect: ok says whether there is one
		fmt.Fprintf(w, "hello %q\n", user.Name)
		if user, ok := guard.User(r.Context()); ok { // correct
			fmt.Fprintf(w, "hello again %q\n", user.Name)
		}
	})), "")
	// Output: 200 hello ""
}

// Two guards are two worlds: one does not know the other's users. Routes that answer differently take WithDeny of the
// same guard.
func ExampleGuard_WithDeny_incorrect() {
	api, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, nil)
	pages, _ := middleware.New(middleware.VerifierFunc(issued), byRecord, &middleware.Options{Deny: middleware.ToLogin("/login")}) // incorrect
	same := api.WithDeny(middleware.ToLogin("/login"))                                                                             // correct
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ok := api.User(r.Context()) // a handler that both parts of the site use
		fmt.Fprintln(w, "known:", ok)
	})
	call(pages.Require()(greet), "alice-token")
	call(same.Require()(greet), "alice-token")
	// Output:
	// 200 known: false
	// 200 known: true
}

// The record that a resolver gets is for reading: requests share it. A scope that it puts there is every request's with
// that token, for as long as the token is remembered, whatever becomes of the role. What the application itself grants
// belongs to its own user.
func ExampleNew_incorrectRoles() {
	type member struct {
		Name string
		Boss bool
	}
	bosses := map[string]bool{"alice": true}
	seen := &store.Record{Subject: "alice", Token: store.Token{Scopes: []string{"read"}}} // as verifiers remember it
	verify := middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) { return seen, nil })
	try := func(resolve func(context.Context, *store.Record) (member, error)) {
		guard, _ := middleware.New(verify, resolve, nil)
		call(guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := guard.User(r.Context())
			rec, _ := guard.Record(r.Context())
			fmt.Fprintln(w, user.Name, "boss:", user.Boss, "scopes:", rec.Token.Scopes)
		})), "alice-token")
	}
	correct := func(_ context.Context, rec *store.Record) (member, error) {
		return member{rec.Subject, bosses[rec.Subject]}, nil
	}
	try(correct)
	try(func(_ context.Context, rec *store.Record) (member, error) {
		rec.Token.Scopes = append(rec.Token.Scopes, "boss") // incorrect
		return member{rec.Subject, true}, nil
	})
	bosses["alice"] = false
	try(correct)
	// Output:
	// 200 alice boss: true scopes: [read]
	// 200 alice boss: true scopes: [read boss]
	// 200 alice boss: false scopes: [read boss]
}
