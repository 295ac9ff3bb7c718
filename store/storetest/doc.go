// Package storetest is the contract of [store.TokenStore] as a test suite: whoever writes a store for another engine
// runs it and knows that the store is safe with several replicas.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{
//			Open: func(t *testing.T) store.TokenStore { return openMine(t) },
//		})
//	}
//
// Every numbered clause is a subtest and every case of it a subtest below, so that
//
//	go test -run TestStore/R3
//
// proves one clause. The other fields of [Harness] let the suite look further: what it could not test without them it
// names in the log, as it does with the optional powers ([store.Lister], [store.Sweeper]) that a store lacks.
package storetest
