package seal_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// A new key that seals at once is unknown to the replicas that are not deployed yet: what they meet is unreadable,
// which is an outage, though no logout. Let all replicas open with a key before one seals with it: {old, new} comes first.
func ExampleNew_incorrect() {
	oldKey, newKey := seal.NewKey(), seal.NewKey()
	running, err := seal.New(oldKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	deployed, err := seal.New(newKey, oldKey) // incorrect as the first step
	if err != nil {
		fmt.Println(err)
		return
	}
	cell, _ := deployed.Seal("row 1", &store.Record{ID: "R1"})
	_, err = running.Open("row 1", cell, time.Now())
	fmt.Println(errors.Is(err, seal.ErrUnreadable), errors.Is(err, store.ErrNotFound))
	// Output: true false
}
