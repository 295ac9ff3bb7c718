package seal_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// Rotating: deploy {old, new}, then {new, old}, then {new} alone.
func ExampleNew() {
	oldKey, newKey := seal.NewKey(), seal.NewKey() // from a secret manager, decoded
	before, err := seal.New(oldKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	ring, err := seal.New(newKey, oldKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	cell, _ := before.Seal("row 1", &store.Record{ID: "R1"})
	rec, err := ring.Open("row 1", cell, time.Now())
	fmt.Println(rec.ID, err)
	_, err = ring.Open("row 2", cell, time.Now()) // copied to another row
	fmt.Println(errors.Is(err, store.ErrNotFound))

	_, err = seal.New([]byte("correct horse battery staple and so on"))
	fmt.Println(err)
	// Output:
	// R1 <nil>
	// true
	// seal: key 1 of 1 (38 bytes): is text: decode it if it is hexadecimal or base64, and do not use a passphrase
}
