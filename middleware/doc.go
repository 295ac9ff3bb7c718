// Package middleware guards routes: it demands a bearer token (RFC 6750) or a browser session, resolves the
// application's user and answers a refusal exactly as the RFC says. It serves net/http and everything that takes
// func(http.Handler) http.Handler; for Gin there is [github.com/tokenkeep/tokenkeep/middleware/ginauth].
//
//	func main() {
//		tokens, _ := memstore.New(nil)
//		keep, _ := keeper.New(tokens, nil, nil)
//		guard, err := middleware.New(keep, middleware.Self, nil) // or your own function from record to *User
//		if err != nil {
//			log.Fatal(err)
//		}
//		http.Handle("GET /me", guard.Require("profile")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			user, _ := guard.User(r.Context()) // typed: no assertion, and a wrong type does not compile
//			fmt.Fprintln(w, "hello", user.Subject)
//		})))
//		log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
//	}
//
// # Decision and answer
//
// [Guard.Check] decides, [Guard.Deny] answers, [Guard.Require] joins the two; [Guard.RequireAny] is content with one of
// several scopes, [Guard.Optional] with nobody, and [Guard.Handler] gives one route's handler the user as an argument,
// which costs no allocation. The answers:
//
//	no Authorization, another scheme            401  Bearer realm="api"
//	token unknown, expired, revoked, malformed  401  … error="invalid_token", the same text for all
//	malformed or repeated Authorization         400  … error="invalid_request"
//	valid, but lacks a scope                    403  … error="insufficient_scope", scope="all that are required"
//	valid, but the user is forbidden            403
//	verifier, store or user lookup down         503  and Retry-After: never a 401, which makes clients throw away good tokens
//
// A route that answers otherwise, such as a page that sends browsers to the login, is mounted by [Guard.WithDeny].
//
// Nothing exempts a request: no method, path, user agent or forwarding header. A CORS handler therefore belongs in
// front of the guard. The ResponseWriter is never wrapped, so flushing, hijacking and http.ResponseController work.
//
// # Tokens and users
//
// A [Verifier] says what a token stands for: a keeper for the handles of our own stores, middleware/jwtauth for signed
// tokens, middleware/introspect for those that another server answers for; [ByForm] for services that take both kinds.
// Tokens come in the Authorization header; in forms and in the query only where Options allow it. Longer ones than
// Options.TokenLimit are refused before anything is hashed or parsed.
//
// The resolver runs on every request; [CacheUsers] remembers what a slow one found. What any of them remembers are
// facts, for seconds: scopes, audience and expiry are compared on every request, an error is never remembered, and each
// says for how long a change goes unseen: a keeper not at all, the others as long as they are told.
//
// # Browsers
//
// With [Options.Session] a cookie does what a bearer token does for programs; [Session] holds all that concerns it, and
// [github.com/tokenkeep/tokenkeep/middleware/weblogin] begins such sessions. A request with a cookie that changes state
// or opens a WebSocket must come from the site's own pages (403 otherwise). A session that is over has its cookie
// cleared: [Guard.Require] answers 401, [Guard.Optional] lets the request through as anonymous. A session that was
// refreshed into another cookie has it set before the handler runs. What depends on a session carries Cache-Control:
// no-store and Vary: Cookie.
//
// # What the context holds
//
// User, record and scopes travel in the request's context under a key of the guard's own. A guard that is mounted
// twice validates once and enforces the scopes of both mounts; two different guards never see each other's users.
// A goroutine that outlives the request takes context.WithoutCancel(r.Context()).
package middleware
