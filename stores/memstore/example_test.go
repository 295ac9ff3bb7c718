package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func ExampleNew() {
	ctx := context.Background()
	tokens, err := memstore.New(&memstore.Options{MaxRecords: 10_000})
	if err != nil {
		panic(err)
	}
	mine, err := tokens.Put(ctx, store.Key("ulule", "42"), &store.Record{ID: "one", Subject: "42"})
	if err != nil {
		panic(err)
	}
	if _, err = tokens.Put(ctx, mine.Handle, mine); err == nil { // at the version that was read
		fmt.Println("replaced")
	}
	if _, err = tokens.Put(ctx, mine.Handle, mine); errors.Is(err, store.ErrConflict) {
		fmt.Println("somebody else was first")
	}
	// Output:
	// replaced
	// somebody else was first
}

func ExampleSingle() {
	ctx := context.Background()
	tokens := memstore.Single()
	if _, err := tokens.Put(ctx, store.Key("me"), &store.Record{ID: "one"}); err != nil {
		panic(err)
	}
	_, err := tokens.Put(ctx, store.Key("you"), &store.Record{ID: "two"})
	fmt.Println(err)
	// Output: memstore: full
}

func ExampleStore_Sweep() {
	ctx := context.Background()
	tokens, err := memstore.New(nil)
	if err != nil {
		panic(err)
	}
	ended := &store.Record{ID: "left", Ended: time.Now()}
	if _, err := tokens.Put(ctx, store.Handle{}, ended); err != nil {
		panic(err)
	}
	removed, err := tokens.Sweep(ctx, 100, func(_ context.Context, rec *store.Record) error {
		fmt.Println("revoke what", rec.ID, "held")
		return nil
	})
	fmt.Println(removed, err)
	// Output:
	// revoke what left held
	// 1 <nil>
}
