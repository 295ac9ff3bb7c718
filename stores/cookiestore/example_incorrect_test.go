package cookiestore_test

import (
	"context"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
)

// Two replicas that both say SingleReplica do not hear of each other's logouts. Where there is more than one, they share
// a Coordinator.
func ExampleSingleReplica_incorrect() {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	one, _ := cookiestore.New(ring, cookiestore.SingleReplica())
	two, _ := cookiestore.New(ring, cookiestore.SingleReplica()) // incorrect: there are two
	ctx := context.Background()
	rec, err := one.Put(ctx, store.Handle{}, &store.Record{ID: "R1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = one.Delete(ctx, rec.Handle, "") // the user signs out at the first
	fmt.Println(err)
	rec, err = two.Get(ctx, rec.Handle) // whoever has a copy of the cookie goes to the second
	fmt.Println(rec.ID, err)
	// Output:
	// <nil>
	// R1 <nil>
}
