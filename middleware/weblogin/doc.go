// Package weblogin signs browsers in: the authorization code flow (RFC 6749 section 4.1, with PKCE, RFC 9700), and, for
// providers that have nothing else, a password form and the implicit grant.
//
//	web, err := weblogin.New(client, session, identify, nil) // *grants.Client, *middleware.Session
//	mux.Handle("GET /login", web.Start)                      // /login?return_to=/orders comes back to /orders
//	mux.Handle("GET /callback", web.Callback)                // what the provider knows as redirect_uri
//	mux.Handle("POST /logout", session.Logout("/"))
//
//	func identify(ctx context.Context, rec *store.Record) error { // whose token is it?
//		var who struct{ ID string }
//		if err := client.UserInfo(ctx, rec.Token, &who); err != nil {
//			return err
//		}
//		rec.Subject = who.ID
//		return nil
//	}
//
// In Gin they are gin.WrapH(web.Start) and so on.
//
// # What binds a login
//
// Start seals state, PKCE verifier and where to return to into a cookie of this login, good for ten minutes; several
// tabs may be under way at once, and the oldest gives way before the Cookie header grows past 4 KiB. Callback accepts an
// answer only together with that cookie, once: the first callback that matches uses the login up, whether it succeeds or
// not, and a reload goes where the first one went, as long as there is a session. A code is sent to the provider once and
// never again. A login that was started with a session of one user cannot be finished with that of another.
//
// # A second provider
//
// Somebody who is signed in adds an account of another provider by a form that posts to that provider's Connect:
//
//	mux.Handle("POST /connect/maps", maps.Connect) // maps: a Login of its own, with a client and an identify of its own
//	mux.Handle("GET /callback/maps", maps.Callback)
//
// identify then finds the user's id in rec.Subject, where a plain login has "", and leaves it as it is: it notes that
// the account is that user's, and sets Grant, such as store.Key("maps", rec.Subject), if the token is to be kept. The
// keeper has it from then on (keep.Client with that Key); without a Grant it is given back. An identify that names
// another user is refused with 403, so one that knows nothing of all this connects nothing. The session stays as it is,
// and a user who signed out or changed meanwhile gets nowhere. The keeper is made with grants.Clients of both.
//
// # What browsers are told
//
// The session always gets a new identifier. Where to return to is a path of this site, or it is ignored. Nothing that a
// request carries is echoed, and no answer may be stored or sends a Referer.
package weblogin
