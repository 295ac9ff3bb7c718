// Package cookiestore keeps each record in its own handle: a sealed text that the browser carries as a cookie. It needs
// no database, and it is the one store that cannot do everything.
//
//	ring, err := seal.New(key)
//	tokens, err := cookiestore.New(ring, cookiestore.SingleReplica())
//	keep, err := keeper.New(tokens, client, nil)
//	session := &middleware.Session{Keeper: keep, Ring: ring} // writes the cookie, in chunks if need be
//
// # What it can promise
//
// Each Put returns another handle, and the old one stays good until it expires: there is nothing to compare with, so of
// the clauses of store.TokenStore those marked (S) hold. In particular:
//
//   - A store.Key is refused with errors.ErrUnsupported: background jobs, shared grants and listing by subject need a
//     store on the server.
//   - Delete removes nothing. Logout is an ended record at the coordinator, which every later request meets, however
//     old its cookie; clearing the cookie and revoking the grant come on top. Where no coordinator is shared, other
//     replicas and a restarted process do not know of it: a stolen copy lives there until Record.Expires.
//   - Two requests that present one cookie to two replicas without a shared coordinator both refresh. Providers that rotate refresh tokens and take
//     reuse for theft then end the grant. So [New] wants to hear how replicas are coordinated: [SingleReplica],
//     [Coordinator] or [InsecureUncoordinated].
//   - It has no clock of its own (Record.ReadAt is zero); expiry is judged by the process's.
//
// # Size
//
// Records are sealed, those above 2,700 bytes deflated before, and written in unpadded base64url (RFC 4648 section 5). A
// text of more than 15,600 bytes, which is four cookies of 3,900, is an error that wraps errors.ErrUnsupported, tells the
// size and comes before anything is written. Many servers and proxies refuse headers of 8 KiB much earlier: drop what nobody reads from
// Token.Extra, and use a store on the server for tokens that are large.
package cookiestore
