package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// unreachable is what a *grants.Client says of a provider that it cannot connect to: the refresh token is unspent.
type unreachable struct{}

func (unreachable) Error() string           { return "connection refused" }
func (unreachable) Outcome() keeper.Outcome { return keeper.RetryLater }

// Not every error of Get means that the user has to log in again: a provider that is down ends nothing. Only
// store.ErrNotFound and ErrLoginRequired do.
func ExampleKeeper_Get_incorrect() {
	down := keeper.RefreshFunc(func(context.Context, *store.Record) (store.Token, error) {
		return store.Token{}, unreachable{}
	})
	ctx := context.Background()
	tokens, _ := memstore.New(nil)
	keep, _ := keeper.New(tokens, down, nil)
	rec, _ := keep.Start(ctx, store.Key("ulule", "42"), &store.Record{
		Token: store.Token{AccessToken: "old", RefreshToken: "first", Expiry: time.Now().Add(-time.Minute)},
	})
	if _, err := keep.Get(ctx, rec.Handle); err != nil { // incorrect: ends a login because of an outage
		fmt.Println("login required:", errors.Is(err, keeper.ErrLoginRequired))
		fmt.Println("unavailable:", errors.Is(err, keeper.ErrUnavailable))
	}
	// Output:
	// login required: false
	// unavailable: true
}

// An access token that was copied out of a record is one that nobody refreshes. Ask the keeper each time, or take the
// client that does.
func ExampleKeeper_Client_incorrect() {
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Authorization"))
	}))
	defer api.Close()
	keep, rec := stored(nil)
	ctx := context.Background()

	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, api.URL, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+rec.Token.AccessToken) // incorrect: it has expired
	for _, send := range []func() (*http.Response, error){
		func() (*http.Response, error) { return api.Client().Do(r) },
		func() (*http.Response, error) { return keep.Client(rec.Handle, api.URL).Get(api.URL) },
	} {
		resp, err := send()
		if err != nil {
			fmt.Println(err)
			continue
		}
		_ = resp.Body.Close()
	}
	// Output:
	// Bearer old
	// Bearer new
}
