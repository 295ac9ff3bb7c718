package store_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// A record that is kept and changed twice carries the version of its first reading: the second Put loses. Go on with
// the record that Put returned.
func ExampleTokenStore_incorrect() {
	ctx := context.Background()
	tokens, err := memstore.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	rec, err := tokens.Put(ctx, store.Key("ulule", "42"), &store.Record{ID: "R1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := tokens.Put(ctx, rec.Handle, rec)
	fmt.Println(err)
	_, err = tokens.Put(ctx, rec.Handle, rec) // incorrect: rec is the record from before
	fmt.Println(errors.Is(err, store.ErrConflict))
	_, err = tokens.Put(ctx, next.Handle, next)
	fmt.Println(err)
	// Output:
	// <nil>
	// true
	// <nil>
}
