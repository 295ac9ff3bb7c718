package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// Every Go block of the README is compiled: it stands in the program, or in one of the functions below.
func TestReadmeIsCompiled(t *testing.T) {
	t.Parallel()
	readme := read(t, "../../README.md")
	here := squeeze(read(t, "readme_test.go"))
	first := squeeze(read(t, "main.go"))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1)
	if len(blocks) < 4 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		if code := squeeze(b[1]); !strings.Contains(here, code) && !strings.Contains(first, code) {
			t.Errorf("neither in main.go nor in readme_test.go:\n%s", b[1])
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

func readmeRoute(mux *http.ServeMux, guard *middleware.Guard[*appUser], me func(http.ResponseWriter, *http.Request)) {
	mux.Handle("GET /me", guard.Require("profile")(http.HandlerFunc(me))) // net/http, chi, Echo: the same guard
}

func readmeLogin(mux *http.ServeMux, keep *keeper.Keeper, ring *seal.Ring, client *grants.Client, users directory, identify func(context.Context, *store.Record) error) error {
	session := &middleware.Session{Keeper: keep, Ring: ring}
	guard, err := middleware.New(keep, users.ByRecord, &middleware.Options{Session: session})
	web, err := weblogin.New(client, session, identify, nil)
	mux.Handle("GET /login", web.Start)
	mux.Handle("GET /callback", web.Callback)
	mux.Handle("POST /logout", session.Logout("/"))
	return fmt.Errorf("%v %w", guard, err)
}

func readmeProvider(ctx context.Context, keep *keeper.Keeper, id, secret, userID, username, password string) (*store.Record, error) {
	ulule := &grants.Client{
		Provider: "ulule",
		TokenURL: "https://www.ulule.com/oauth2/token/", // the slash is part of it
		ID:       id,
		Secret:   secret,
		Auth:     grants.ClientSecretBasicRaw,
	}
	token, err := ulule.Password(ctx, username, password)
	rec, err := keep.Start(ctx, store.Key("ulule", userID), &store.Record{Token: token})
	return rec, err
}

var _ = []any{readmeRoute, readmeLogin, readmeProvider}
