package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// An application with a login of its own begins the session itself. For logins at a provider there is weblogin.
func ExampleSession_Start() {
	tokens, _ := memstore.New(nil)
	keep, _ := keeper.New(tokens, nil, nil)
	defer keep.Close(context.Background())
	session := &middleware.Session{Keeper: keep, Origin: "https://app.example"}
	guard, err := middleware.New(keep, byRecord, &middleware.Options{Session: session})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// … check what the user sent, then:
		if _, err := session.Start(w, r, &store.Record{Subject: "42"}); err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/me", http.StatusSeeOther)
	})
	mux.Handle("POST /logout", session.Logout("/"))
	mux.Handle("GET /me", guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := guard.User(r.Context())
		fmt.Fprint(w, "hello ", user.Name)
	})))

	var cookie string
	visit := func(method, path string) {
		r := httptest.NewRequest(method, "https://app.example"+path, nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			cookie = c.Name + "=" + c.Value
		}
		fmt.Printf("%s %s: %d %q\n", method, path, w.Code, w.Header().Get("Location"))
	}
	visit("POST", "/login")
	visit("GET", "/me")
	visit("POST", "/logout")
	visit("GET", "/me")
	// Output:
	// POST /login: 303 "/me"
	// GET /me: 200 ""
	// POST /logout: 303 "/"
	// GET /me: 401 ""
}
