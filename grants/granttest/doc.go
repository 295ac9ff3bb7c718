// Package granttest is an authorization server for tests, which misbehaves on demand.
//
//	p := granttest.New(t) // on loopback, closed when t ends
//	keep, err := keeper.New(tokens, p.Client, nil)
//	…
//	p.Next("refresh_token", granttest.Fault{Drop: true}) // carried out, and the answer is lost
//	…
//	if n := len(p.Requests("refresh_token")); n != 1 {
//		t.Errorf("%d token requests, want 1: %v", n, p.Requests())
//	}
//
// It is [authserver] with a store in memory, where every username signs in with [Password], and one client that may use
// every grant. What it does to refresh tokens that were used is its [Rotation]; at first it forgives nothing: each
// refresh token works once, and a second use ends the login. What goes wrong with a request is a [Fault].
//
// It listens on a socket, so the clock of a testing/synctest bubble would stand still before it: expire tokens by
// [Provider.Skew], or by what the application stores.
//
// Requests are named as in grants.Error and grants.Client.Extra: by their grant type, or "authorize", "par", "device",
// "revoke", "introspect", "userinfo", "discovery"; and "jwks" and, for the page where users connect a device, "connect".
package granttest
