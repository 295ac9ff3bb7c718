// Package grants gets tokens: one method per OAuth 2.0 grant (RFC 6749 and its family), on one plain struct per
// provider.
//
//	ulule := &grants.Client{
//		Provider: "ulule", TokenURL: "https://www.ulule.com/oauth2/token/",
//		ID: id, Secret: secret, Auth: grants.ClientSecretBasicRaw,
//	}
//	token, err := ulule.Password(ctx, username, password)
//	rec, err := keep.Start(ctx, store.Key("ulule", userID), &store.Record{Subject: userID, Token: token})
//
// With a browser it takes two steps. State, PKCE, nonce and issuer check need no care:
//
//	flow, err := client.AuthorizationCode(ctx, nil)                   // keep flow for this browser, send it to flow.URL
//	token, err := client.Exchange(ctx, flow, request.URL.Query())     // the whole callback, checked against flow
//
// Who signed in is a matter of OpenID Connect: ask for the scope "openid" and let [Discover] find the issuer's keys, and
// Exchange takes no login without an ID token that is in order; [Client.IDToken] says whose it is.
//
//	client, err := grants.Discover(ctx, &grants.Client{Issuer: "https://as.example", ID: id, Secret: secret,
//		RedirectURI: "https://app.example/callback", Scopes: []string{"openid"}})
//
// A [Client], or several as [Clients], is what keeper.New wants as its Refresher and Revoker. Providers are values of
// Client: how each of them authenticates clients, writes bodies, tells lifetimes and names errors is configuration, and
// harmless deviations in answers need none.
//
// # Answers
//
// Token answers are read leniently, because a token that was granted and not understood is lost: JSON or a form under
// any content type; lifetimes as numbers, strings, floats or instants; scopes as a string, a list or null; refresh
// lifetimes in all spellings; token_type missing or in any case. Of a member that is there twice the last counts; names
// are compared byte for byte. What has no field of its own ends up in Token.Extra, raw, up to 32 KiB.
//
// Refused are access tokens that no header can carry, and tokens bound to a key that the client does not have.
//
// # Keys
//
// With a private key a client needs no secret: Auth is [PrivateKeyJWT], and Signer signs an assertion for each request.
// With [DPoP] its tokens are worth nothing to a thief. With a certificate in HTTP's transport Auth is [TLSClientAuth].
//
// # Where requests go
//
// To the endpoints of the configuration, over https, and nowhere else: redirects are refused, and nothing that a callback
// or an answer says changes that. If the issuer itself is somebody else's word, use [PublicTransport].
//
// # Errors
//
// Each is an [*Error] with a [Class]; [Rules] is the table. Its Outcome tells the keeper whether the refresh token is
// spent: nothing sent (no connection, bad configuration), refused, or perhaps carried out without an answer. Nothing is
// ever sent twice, unless the server says that it did nothing but miss a nonce.
package grants
