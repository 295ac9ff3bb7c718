// Package introspect checks tokens by asking the authorization server that issued them (RFC 7662), for services that
// accept opaque tokens of somebody else's, or whose tokens must end the moment they are revoked.
//
//	client := &grants.Client{IntrospectURL: "https://id.example/introspect", ID: "api", Secret: secret}
//	tokens, err := introspect.New(client, &introspect.Options{Audience: []string{"https://api.example"}})
//	guard, err := middleware.New(tokens, users.ByRecord, nil)
//	mux.Handle("GET /me", guard.Require("profile")(http.HandlerFunc(me)))
//
// Beside signed tokens it takes its place in [middleware.ByForm]. Subject and scopes are the server's sub and scope; a
// token without sub, such as a client's own, has a record without Subject, and a resolver finds client_id in
// Record.Token.Extra.
//
// # What is believed, and for how long
//
// What the server said of an active token is kept for Options.Life, 5 s by default, under the token's SHA-256; what it
// means is decided on every use: whether the token is active, is for this audience and of this issuer (where the answer
// names one and the client has an Issuer), has not expired and is valid already, give or take 30 s between the clocks.
// So a revoked token is refused after Life at the latest: at once with a negative one, or in this process after
// [Verifier.Forget]. That a token is not active is never kept, nor is an error.
//
// Requests with the same token wait for one question, which goes on when one of them leaves. Tokens that are active but
// no access tokens (refresh and ID tokens, by token_type, token_use or typ) are refused, and so are tokens bound to a key
// (cnf), as nobody has checked the binding.
//
// # Errors
//
// A token that is not good is store.ErrNotFound, a 401 of the guard's. Any other error means that nobody could say: the
// server is down, or does not accept this client's credentials. That is a 503, and the log has the *grants.Error; no
// client throws away a good token for it. No error holds a token.
package introspect
