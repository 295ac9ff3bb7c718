package memstore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/storetest"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{Open: func(t *testing.T) store.TokenStore { return open(t, nil) }})
}

func TestConformanceByClock(t *testing.T) {
	t.Parallel()
	var clocks sync.Map
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) store.TokenStore {
			c := &clock{now: time.Date(2001, 2, 3, 4, 5, 6, 789e6, time.UTC)}
			s := open(t, &memstore.Options{Now: c.Now})
			clocks.Store(s, c)
			return s
		},
		Peer: func(_ *testing.T, s store.TokenStore) store.TokenStore { return s },
		Advance: func(_ *testing.T, s store.TokenStore, d time.Duration) {
			c, _ := clocks.Load(s)
			c.(*clock).Advance(d)
		},
	})
}
