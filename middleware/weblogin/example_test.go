package weblogin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// A whole application: sign in at a provider, a protected page, sign out.
func Example() {
	as := fakeProvider()
	defer as.Close()
	client := &grants.Client{
		Provider: "example", AuthorizeURL: as.URL + "/authorize", TokenURL: as.URL + "/token", UserInfoURL: as.URL + "/me",
		ID: "app", Secret: "app-secret", RedirectURI: "https://app.example/callback",
	}
	ring, _ := seal.New(seal.NewKey()) // keep the key in a secret manager
	tokens, _ := memstore.New(nil)     // or sqlitestore.Open("app.db", ring, nil)
	keep, _ := keeper.New(tokens, client, nil)
	defer keep.Close(context.Background())

	session := &middleware.Session{Keeper: keep, Ring: ring, Origin: "https://app.example"}
	guard, err := middleware.New(keep, middleware.Self, &middleware.Options{Session: session})
	if err != nil {
		fmt.Println(err)
		return
	}
	web, err := weblogin.New(client, session, func(ctx context.Context, rec *store.Record) error {
		var who struct {
			ID string `json:"id"`
		}
		if err := client.UserInfo(ctx, rec.Token, &who); err != nil {
			return err
		}
		rec.Subject = who.ID
		return nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /login", web.Start)
	mux.Handle("GET /callback", web.Callback)
	mux.Handle("POST /logout", session.Logout("/"))
	mux.Handle("GET /me", guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, _ := guard.User(r.Context())
		fmt.Fprint(w, "hello ", rec.Subject)
	})))

	jar := map[string]string{}
	fmt.Println(visit(mux, jar, "GET", "/me"))
	to, _ := url.Parse(visit(mux, jar, "GET", "/login?return_to=/me"))
	fmt.Println(visit(mux, jar, "GET", "/callback?code=from-the-provider&state="+to.Query().Get("state")))
	fmt.Println(visit(mux, jar, "GET", "/me"))
	fmt.Println(visit(mux, jar, "POST", "/logout"))
	fmt.Println(visit(mux, jar, "GET", "/me"))
	// Output:
	// 401
	// /me
	// hello alice
	// /
	// 401
}

// visit plays a browser; it returns where it is sent, what it is shown, or the status of a refusal.
func visit(h http.Handler, jar map[string]string, method, path string) string {
	r := httptest.NewRequest(method, "https://app.example"+path, nil)
	for name, value := range jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(jar, c.Name)
		}
	}
	switch {
	case w.Header().Get("Location") != "":
		return w.Header().Get("Location")
	case w.Code != http.StatusOK:
		return fmt.Sprint(w.Code)
	}
	return w.Body.String()
}

func fakeProvider() *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"at","token_type":"Bearer","expires_in":3600}`)
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":"alice"}`)
	})
	return httptest.NewServer(mux)
}
