package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

func ExampleOpen() {
	ring, err := seal.New(seal.NewKey()) // keep the key where you keep secrets, not beside the file
	if err != nil {
		panic(err)
	}
	tokens, err := sqlitestore.Open(":memory:", ring, nil) // or "tokens.db"
	if err != nil {
		panic(err)
	}
	defer tokens.Close()

	ctx := context.Background()
	me := store.Key("ulule", "42")
	if _, err := tokens.Put(ctx, me, &store.Record{ID: "a", Token: store.Token{AccessToken: "first"}}); err != nil {
		panic(err)
	}
	mine, err := tokens.Get(ctx, me)
	if err != nil {
		panic(err)
	}
	theirs := mine.Clone() // another process read the same version
	theirs.Token.AccessToken = "second"
	if _, err := tokens.Put(ctx, me, theirs); err != nil {
		panic(err)
	}
	mine.Token.AccessToken = "third"
	_, err = tokens.Put(ctx, me, mine)
	fmt.Println(errors.Is(err, store.ErrConflict))

	// Output: true
}

func ExampleStore_sweep() {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		panic(err)
	}
	tokens, err := sqlitestore.Open(":memory:", ring, nil)
	if err != nil {
		panic(err)
	}
	defer tokens.Close()

	ctx := context.Background()
	for _, left := range []time.Duration{-time.Hour, time.Hour} {
		rec := &store.Record{ID: left.String(), Expires: time.Now().Add(left)}
		if _, err := tokens.Put(ctx, store.NewCredential("session"), rec); err != nil {
			panic(err)
		}
	}
	removed, err := tokens.Sweep(ctx, 1000, func(_ context.Context, rec *store.Record) error {
		fmt.Println("expired:", rec.ID)
		return nil // an error would keep it
	})
	fmt.Println(removed, err)

	// Output:
	// expired: -1h0m0s
	// 1 <nil>
}
