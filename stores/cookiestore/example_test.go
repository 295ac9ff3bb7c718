package cookiestore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
)

func ExampleNew() {
	ring, err := seal.New(seal.NewKey()) // a key from a secret manager
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := cookiestore.New(ring, cookiestore.SingleReplica())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	rec, err := tokens.Put(ctx, store.Handle{}, &store.Record{ID: "R1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	cookie := rec.Handle.Reveal() // the browser brings it back
	rec, err = tokens.Get(ctx, store.Credential("session", cookie))
	fmt.Println(rec.ID, err)

	_, err = tokens.Put(ctx, store.Key("ulule", "42"), &store.Record{})
	fmt.Println(errors.Is(err, errors.ErrUnsupported))
	// Output:
	// R1 <nil>
	// true
}
