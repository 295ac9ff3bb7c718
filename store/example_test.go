package store_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// A write replaces what its writer has read, and nothing else.
func ExampleTokenStore() {
	ctx := context.Background()
	tokens, err := memstore.New(nil)
	if err != nil {
		panic(err)
	}
	first, err := tokens.Put(ctx, store.Key("ulule", "42"), &store.Record{ID: "r1", Subject: "42"})
	if err != nil {
		panic(err)
	}
	second := first.Clone()
	second.Provider = "ulule"
	_, err = tokens.Put(ctx, first.Handle, second)
	fmt.Println("the first writer:", err)
	_, err = tokens.Put(ctx, first.Handle, first)
	fmt.Println("the one after it lost a race:", errors.Is(err, store.ErrConflict))
	_, err = tokens.Get(ctx, store.Key("ulule", "43"))
	fmt.Println("nobody's:", errors.Is(err, store.ErrNotFound))
	// Output:
	// the first writer: <nil>
	// the one after it lost a race: true
	// nobody's: true
}

// A handle of one purpose never finds a record of another, and does not print its text.
func ExampleHandle() {
	session := store.Credential("session", "s3cr3t")
	refresh := store.Credential("refresh", "s3cr3t")
	fmt.Println(session.Sum() == refresh.Sum())
	fmt.Println(session)
	// Output:
	// false
	// credential(session, …)
}
