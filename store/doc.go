// Package store defines what tokenkeep keeps and how a place to keep it behaves: [Token] (what a token endpoint
// answered, RFC 6749 section 5.1), [Record] (a grant, or a session, as stored), [Handle] (what finds a record) and
// [TokenStore] (the contract: Get, compare-and-set Put, Delete).
//
//	tokens, err := memstore.New(nil)
//	rec, err := tokens.Put(ctx, store.Key("ulule", "42"), &store.Record{ID: rand.Text(), Token: token})
//	rec.Token.Scopes = []string{"read"}
//	rec, err = tokens.Put(ctx, rec.Handle, rec) // replaces, or ErrConflict: somebody else wrote first
//
// Applications rarely call a store: they give one to [github.com/tokenkeep/tokenkeep/store/keeper.New], and the keeper
// does the rest. Store authors find the contract, clause by clause, at [TokenStore], and its executable form in
// [github.com/tokenkeep/tokenkeep/store/storetest].
package store
