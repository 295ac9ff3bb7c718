// Package authserver is an authorization server to embed (RFC 6749, RFC 9700), for services that are their own provider:
//
//	tokens, err := memstore.New(nil)
//	srv, err := authserver.New(tokens, checkPassword, []authserver.Client{{
//		ID: "partner", Secret: secret, RedirectURIs: []string{"https://partner.example/callback"}, Scopes: []string{"read"},
//	}}, &authserver.Options{Issuer: "https://login.example"})
//	mux.Handle("/token", srv.Token())
//	mux.Handle("/authorize", srv.Authorize())
//	guard, err := middleware.New(srv, middleware.Self, nil) // checks the tokens it issued
//
// The application says who its users are ([Users]) and which clients exist ([Client]). How token requests of a client look
// and what answers say beside the standard's members is data, too ([Dialect]).
//
// # What is issued
//
// Tokens are 256 random bits and live in any [store.TokenStore] under credentials of the purposes access, refresh and code;
// a store keeps their hashes. All that one login gave hangs on one record, its family: ending that ends all of it at once.
// Codes and refresh tokens are spent by compare-and-set, so each works once, whatever number of processes share the store.
// Expired records go by the store's own sweep.
package authserver
