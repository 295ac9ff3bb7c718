package cookiestore_test

import (
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/storetest"
)

func TestStore_contract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		Stateless: true,
		Open:      func(t *testing.T) store.TokenStore { return open(t, newRing(t)) },
	})
}
