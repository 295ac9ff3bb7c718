package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"gorm.io/gorm"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// Every Go block of the README is compiled: it stands in the program, in one of the functions below, or in a file of
// its own that is.
func TestReadmeIsCompiled(t *testing.T) {
	t.Parallel()
	var compiled []string
	for _, name := range []string{"main.go", "readme_test.go", "../../store/storetest/plugin_test.go", "../interop/adapter.go"} {
		compiled = append(compiled, squeeze(read(t, name)))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "../../README.md"), -1)
	if len(blocks) < 8 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		if !slices.ContainsFunc(compiled, func(file string) bool { return strings.Contains(file, squeeze(b[1])) }) {
			t.Errorf("compiled nowhere:\n%s", b[1])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// squeeze removes indentation and the alignment that gofmt chooses.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

type appUser struct{ Name string }

type directory struct{}

func (directory) ByRecord(context.Context, *store.Record) (*appUser, error) {
	return nil, store.ErrNotFound
}

func readmeFirst(ctx context.Context, keep *keeper.Keeper, client *grants.Client) error {
	token, err := client.ClientCredentials(ctx, "profile")
	rec, err := keep.Start(ctx, store.Handle{}, &store.Record{Subject: "ada", Token: token})
	fmt.Printf("curl -H 'Authorization: Bearer %s' http://127.0.0.1:8080/me\n", rec.Handle.Reveal())
	return err
}

func readmeRoute(mux *http.ServeMux, guard *middleware.Guard[*appUser], me func(http.ResponseWriter, *http.Request)) {
	mux.Handle("GET /me", guard.Require("profile")(http.HandlerFunc(me))) // net/http, chi, Echo: the same guard
}

func readmeLogin(ctx context.Context, mux *http.ServeMux, tokens store.TokenStore, ring *seal.Ring, users directory, id, secret string) error {
	client, err := grants.Discover(ctx, &grants.Client{
		Issuer: "https://id.example", ID: id, Secret: secret, RedirectURI: "https://app.example/callback", Scopes: []string{"openid"},
	})
	keep, err := keeper.New(tokens, client, nil)
	session := &middleware.Session{Keeper: keep, Ring: ring}
	guard, err := middleware.New(keep, users.ByRecord, &middleware.Options{Session: session})
	web, err := weblogin.New(client, session, nil, nil)
	mux.Handle("GET /login", web.Start)
	mux.Handle("GET /callback", web.Callback)
	mux.Handle("POST /logout", session.Logout("/"))
	return fmt.Errorf("%v %w", guard, err)
}

func readmeProvider(ctx context.Context, keep *keeper.Keeper, id, secret, userID, username, password string) (*store.Record, error) {
	ulule := &grants.Client{
		Provider: "ulule", TokenURL: "https://www.ulule.com/oauth2/token/", // the slash is part of it
		ID: id, Secret: secret, Auth: grants.ClientSecretBasicRaw,
	}
	token, err := ulule.Password(ctx, username, password)
	rec, err := keep.Start(ctx, store.Key("ulule", userID), &store.Record{Subject: userID, Token: token}) // keep: made with ulule
	return rec, err
}

func readmeStores(ctx context.Context, key []byte, db *gorm.DB, client redis.UniversalClient) []any {
	ring, err := seal.New(key)                              // 32 bytes made by seal.NewKey, kept where secrets are kept
	inProcess, err := memstore.New(nil)                     // gone when it ends
	onMachine, err := sqlitestore.Open("app.db", ring, nil) // any number of processes
	onServer, err := gormstore.New(db, ring, nil)           // PostgreSQL, MySQL: any number of machines
	err = onServer.Migrate(ctx)                             // creates or changes the table
	onRedis, err := redisstore.New(client, ring, nil)       // the same
	return []any{inProcess, onMachine, onServer, onRedis, err}
}

func readmeAPI(keep *keeper.Keeper, userID string) (*http.Response, error) {
	api := keep.Client(store.Key("ulule", userID), "https://api.ulule.com") // an *http.Client; the token goes nowhere else
	resp, err := api.Get("https://api.ulule.com/v1/me")
	return resp, err
}

var _ = []any{readmeFirst, readmeStores, readmeAPI, readmeRoute, readmeLogin, readmeProvider}
