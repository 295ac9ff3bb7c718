package middleware_test

import (
	"context"
	"fmt"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// A resolver must not turn "could not find out" into "no such user": a database that is down for a second would make
// every client throw its good token away. Return the error as it is, and the guard answers 503.
func ExampleNew_incorrect() {
	database := fmt.Errorf("connection refused")
	swallow := func(context.Context, *store.Record) (*account, error) {
		if database != nil {
			return nil, store.ErrNotFound // incorrect
		}
		return &account{}, nil
	}
	pass := func(context.Context, *store.Record) (*account, error) {
		if database != nil {
			return nil, fmt.Errorf("accounts: %w", database) // correct
		}
		return &account{}, nil
	}
	for _, resolve := range []func(context.Context, *store.Record) (*account, error){swallow, pass} {
		guard, _ := middleware.New(middleware.VerifierFunc(issued), resolve, quiet)
		call(guard.Require()(done), "alice-token")
	}
	// Output:
	// 401 Bearer realm="api", error="invalid_token", error_description="the token is not valid" {"error":"invalid_token","error_description":"the token is not valid"}
	// 503 {"error":"temporarily_unavailable"}
}
