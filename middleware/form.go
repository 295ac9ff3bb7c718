package middleware

import (
	"context"
	"strings"

	"github.com/tokenkeep/tokenkeep/store"
)

// ByForm returns the verifier for services that accept signed tokens and opaque ones: what has the form of a JWT (RFC
// 7519, signed: RFC 7515 section 7.1) goes to jwt, all else to opaque, and neither ever sees what is the other's. A token
// that one of them refuses is not tried with the other. A nil one refuses what is its own.
//
//	guard, err := middleware.New(middleware.ByForm(signed, keep), users.ByRecord, nil)
func ByForm(jwt, opaque Verifier) Verifier {
	return VerifierFunc(func(ctx context.Context, credential string) (*store.Record, error) {
		v := opaque
		if isJWT(credential) {
			v = jwt
		}
		if v == nil {
			return nil, store.ErrNotFound
		}
		return v.Verify(ctx, credential)
	})
}

// isJWT says whether s is three base64url segments of which the first begins as a JSON object does: "{" makes an e and
// one of the alphabet's last sixteen characters.
func isJWT(s string) bool {
	header, rest, _ := strings.Cut(s, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	return ok && len(header) > 1 && header[0] == 'e' && strings.IndexByte("wxyz0123456789-_", header[1]) >= 0 &&
		isBase64URL(header) && isBase64URL(payload) && isBase64URL(signature)
}

func isBase64URL(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphaNum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}
