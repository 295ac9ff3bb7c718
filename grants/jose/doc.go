// Package jose checks and makes signed tokens: JWS in compact form (RFC 7515) with claims (RFC 7519), by the rules of
// RFC 8725. Access tokens, ID tokens and client assertions of the other packages pass here.
//
//	keys, err := jose.NewRemote("https://issuer.example/jwks", nil)
//	tokens := &jose.Verifier{Keys: keys, Algorithms: []string{"RS256"}, Issuer: "https://issuer.example", Audience: []string{"api"}}
//	claims, err := tokens.Verify(ctx, token)
//
// A refused token is [ErrInvalid]; any other error means that the keys could not be had, which says nothing about the
// token.
//
// # What is refused
//
//   - Before anything is decoded: more than 8 KiB, other than three parts, characters that base64url does not have,
//     padding, line breaks, bits left over. So a token has one written form. Encrypted tokens have five parts.
//   - In the header: an algorithm that the verifier does not list ("none" cannot be listed), crit, b64, a typ that was
//     not asked for. jku, jwk, x5u and x5c are never used, and kid only compares names.
//   - In header and claims: two members whose names differ at most in case (sub beside SUB), a registered name in another
//     case, anything after the object, invalid UTF-8, half surrogate pairs, more than 128 members, nesting beyond 32.
//   - In the claims: no exp, an exp in the past, an nbf or iat in the future (60 seconds of leeway), dates that are no
//     numbers from 0 to the year 9999, another issuer, no audience that is ours, a required claim that is missing.
//   - Keys that do not belong to the algorithm, RSA below 2048 bits, secrets shorter than their hash, a public key in the
//     place of a secret, HMAC and public keys in one verifier, PSS salts of other lengths than the hash's.
//
// Claims are read before the signature is checked, to refuse: what is stale or meant for others costs neither a check
// nor a fetch of keys. Nothing else is done with them. A token without a kid is tried with at most four keys.
package jose
