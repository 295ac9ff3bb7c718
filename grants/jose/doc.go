// Package jose checks and makes signed tokens: JWS in compact form (RFC 7515) with claims (RFC 7519), by the rules of
// RFC 8725.
package jose
