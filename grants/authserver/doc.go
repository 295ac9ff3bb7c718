// Package authserver is an authorization server to embed (RFC 6749, RFC 9700), for services that are their own provider.
// A whole one, which signs users in by password and by browser, and checks its own tokens:
//
//	func main() {
//		tokens, err := memstore.New(nil) // or any other store
//		if err != nil {
//			log.Fatal(err)
//		}
//		srv, err := authserver.New(tokens, checkPassword, []authserver.Client{{
//			ID: "partner", Secret: os.Getenv("PARTNER_SECRET"), Scopes: []string{"read"},
//			RedirectURIs: []string{"https://partner.example/callback"},
//		}}, &authserver.Options{Issuer: "http://127.0.0.1:8080"})
//		if err != nil {
//			log.Fatal(err)
//		}
//		guard, err := middleware.New(srv, middleware.Self, nil)
//		if err != nil {
//			log.Fatal(err)
//		}
//		http.Handle("/authorize", srv.Authorize())
//		http.Handle("/token", srv.Token())
//		http.Handle("/.well-known/oauth-authorization-server", srv.Metadata(authserver.Endpoints{
//			Authorize: "/authorize", Token: "/token",
//		}))
//		http.Handle("/me", guard.Require("read")(http.HandlerFunc(me)))
//		log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
//	}
//
//	func checkPassword(ctx context.Context, username, password string) (subject string, err error) {
//		return "", store.ErrNotFound // ask your own users
//	}
//
//	func me(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") }
//
// The application says who its users are ([Users], or [Options].Authenticate where it has a login of its own) and which
// clients exist ([Client]). How token requests of a client look and what answers say beside the standard's members is data,
// too ([Dialect]). Every endpoint is a plain http.Handler, to be mounted at any path; in Gin, with gin.WrapH.
//
// # What is issued
//
// What is issued lives in any [store.TokenStore], which keeps hashes of it. An access token and the refresh token that came with
// it are one record, written at once: each is the record's ID, which is no secret, and 256 random bits, of which the record has
// the hash. Codes are credentials of the purposes code, device and user_code. All that one login gave hangs on the record of its
// first pair: ending that ends all of it at once. What is for one use is spent by compare-and-set, so it works once, whatever
// number of processes share the store. Expired records go by the store's own sweep.
//
// With [Options].Keys there are signed tokens beside these: JWT access tokens (RFC 9068) for clients whose dialect has an
// Audience, and ID tokens (OpenID Connect Core) where the scope openid was granted. A JWT is stored by its hash as well, so
// [Server.Verify], introspection and revocation hold for it at once; whoever checks it by [Server.JWKS] alone hears of
// a revocation when it expires.
//
// # Endpoints
//
//	Token                RFC 6749 section 3.2, with authorization_code, refresh_token, client_credentials, password,
//	                     and device_code (RFC 8628)
//	Authorize            RFC 6749 section 3.1, RFC 7636, RFC 9207: the page on which users sign in and decide
//	PushedAuthorization  RFC 9126: the same request, from the client itself
//	DeviceAuthorization  RFC 8628 section 3.1, and DevicePage, on which users enter the code
//	Revoke, Introspect   RFC 7009, RFC 7662
//	UserInfo             OpenID Connect Core section 5.3
//	Metadata, JWKS       RFC 8414 and OpenID Connect Discovery in one document, RFC 7517
//
// A client that signs instead of sharing a secret (RFC 7523), or whose tokens are bound to its key (RFC 9449), says so in
// [Client].
package authserver
