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

// renew stands for a *grants.Client.
func renew(_ context.Context, rec *store.Record) (store.Token, error) {
	return store.Token{AccessToken: "new", RefreshToken: "next", Expiry: time.Now().Add(time.Hour)}, nil
}

// stored returns a keeper and a grant whose access token has expired.
func stored(o *keeper.Options) (*keeper.Keeper, *store.Record) {
	tokens, _ := memstore.New(nil)
	keep, _ := keeper.New(tokens, keeper.RefreshFunc(renew), o)
	rec, _ := keep.Start(context.Background(), store.Key("ulule", "42"), &store.Record{
		Token: store.Token{AccessToken: "old", RefreshToken: "first", Expiry: time.Now().Add(-time.Minute)},
	})
	return keep, rec
}

func ExampleKeeper_Get() {
	keep, rec := stored(nil)
	rec, err := keep.Get(context.Background(), rec.Handle)
	fmt.Println(rec.Token.AccessToken, rec.Generation, err)
	// Output: new 1 <nil>
}

func ExampleKeeper_Client() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Authorization"))
	}))
	defer api.Close()
	keep, rec := stored(nil)
	client := keep.Client(rec.Handle, api.URL) // the token goes there and nowhere else
	_, err := client.Get(api.URL + "/v1/me")
	fmt.Println(err)
	// Output:
	// Bearer new
	// <nil>
}

// In Manual mode an expired token is an error, and the application refreshes when it likes.
func ExampleOptions_manual() {
	keep, rec := stored(&keeper.Options{Mode: keeper.Manual})
	_, err := keep.Get(context.Background(), rec.Handle)
	var expired *keeper.ExpiredError
	fmt.Println(errors.As(err, &expired))
	rec, err = keep.Refresh(context.Background(), rec.Handle)
	fmt.Println(rec.Token.AccessToken, err)
	// Output:
	// true
	// new <nil>
}
