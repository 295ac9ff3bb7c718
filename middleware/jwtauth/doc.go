// Package jwtauth verifies self-contained access tokens (RFC 9068): JWTs that an authorization server signed, and that
// nobody needs to ask it about.
//
//	keys, err := jose.NewRemote("https://issuer.example/jwks", nil) // close it at the end
//	tokens, err := jwtauth.New(&jose.Verifier{
//		Keys: keys, Algorithms: []string{"RS256"}, Issuer: "https://issuer.example", Audience: []string{"https://api.example"},
//	}, nil)
//	guard, err := middleware.New(tokens, users.ByRecord, nil)
//	mux.Handle("GET /me", guard.Require("profile")(http.HandlerFunc(me)))
//
// # What is checked
//
// Everything that github.com/tokenkeep/tokenkeep/grants/jose checks, with typ "at+jwt" unless others are named, so that
// neither an ID token nor a logout token passes for an access token. A token that is bound to a key (cnf) is refused, as
// nobody has checked the binding. A refused token is store.ErrNotFound (401); when the keys cannot be had, the error is
// another one (503).
//
// # What is remembered
//
// A signature is verified once in Options.Life, for a token that was good: verifying costs between 5 and 100 times as
// much as the rest of a request. Remembered is what the token says, and what of it was signed, under the SHA-256 of its
// signature; never a refusal, an error or the token. Expiry, issuer and audience are compared on every request, scopes by
// the guard. So the only thing that may be noticed late, by at most Life, is a key that was withdrawn, and not even that
// when a jose.Remote has fetched the new keys: what the old ones signed is verified anew. A token cannot be revoked; keep
// its life short, or let the guard's resolver, which runs on every request, look up Record.ID or Record.Subject.
package jwtauth
