package mounts_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

type user struct{ Name string }

// validated counts how often tokens were looked up.
var validated atomic.Int32

// newGuard knows the tokens "reader" and "editor"; a service passes its *keeper.Keeper instead.
func newGuard() *middleware.Guard[*user] {
	scopes := map[string]string{"reader": "read", "editor": "read write"}
	verify := func(_ context.Context, credential string) (*store.Record, error) {
		validated.Add(1)
		granted, ok := scopes[credential]
		if !ok {
			return nil, store.ErrNotFound
		}
		return &store.Record{Subject: credential, Token: store.Token{Scopes: strings.Fields(granted)}}, nil
	}
	resolve := func(_ context.Context, rec *store.Record) (*user, error) { return &user{Name: rec.Subject}, nil }
	guard, err := middleware.New(middleware.VerifierFunc(verify), resolve, nil)
	if err != nil {
		panic(err)
	}
	return guard
}

func call(h http.Handler, method, path, token string) {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(method, path, w.Code, strings.TrimSpace(w.Body.String()))
}
