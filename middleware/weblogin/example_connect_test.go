package weblogin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// Somebody who is signed in connects a second provider, whose token a job uses later.
func ExampleLogin_connect() {
	as := fakeProvider()
	defer as.Close()
	at := func(name string) *grants.Client {
		return &grants.Client{
			Provider: name, AuthorizeURL: as.URL + "/authorize", TokenURL: as.URL + "/token", UserInfoURL: as.URL + "/me",
			ID: "app", Secret: "app-secret", RedirectURI: "https://app.example/callback/" + name,
		}
	}
	home, maps := at("home"), at("maps")
	ring, _ := seal.New(seal.NewKey())
	tokens, _ := memstore.New(nil)
	keep, _ := keeper.New(tokens, grants.Clients{home, maps}, nil)
	defer keep.Close(context.Background())
	session := &middleware.Session{Keeper: keep, Ring: ring, Origin: "https://app.example"}

	login, err := weblogin.New(home, session, func(_ context.Context, rec *store.Record) error {
		rec.Subject = "alice" // as home's UserInfo says
		return nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	connect, err := weblogin.New(maps, session, func(_ context.Context, rec *store.Record) error {
		rec.Grant = store.Key("maps", rec.Subject) // the user who is signed in
		return nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /login", login.Start)
	mux.Handle("GET /callback/home", login.Callback)
	mux.Handle("POST /connect/maps", connect.Connect) // a form of the site's own
	mux.Handle("GET /callback/maps", connect.Callback)

	jar := map[string]string{}
	for _, step := range []struct{ method, path, callback string }{
		{"GET", "/login", "/callback/home"}, {"POST", "/connect/maps?return_to=/settings", "/callback/maps"},
	} {
		to, _ := url.Parse(visit(mux, jar, step.method, step.path))
		fmt.Println(visit(mux, jar, "GET", step.callback+"?code=from-the-provider&state="+to.Query().Get("state")))
	}
	rec, err := keep.Get(context.Background(), store.Key("maps", "alice"))
	fmt.Println(rec.Provider, rec.Subject, err)
	// Output:
	// /
	// /settings
	// maps alice <nil>
}
