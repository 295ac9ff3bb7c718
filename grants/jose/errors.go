package jose

import "errors"

// ErrInvalid is what every refused token is by errors.Is: malformed, forged, expired, or not meant for the verifier.
// Any other error of a [Verifier] means that it could not find out.
var ErrInvalid = errors.New("jose: invalid token")

// refusal is why a token was refused. The values are constants, so that refusing costs nothing, and say nothing of
// what the token holds.
type refusal string

func (r refusal) Error() string   { return "jose: invalid token: " + string(r) }
func (refusal) Is(err error) bool { return err == ErrInvalid }

const (
	refuseSize      refusal = "too long"
	refuseForm      refusal = "not in compact form"
	refuseHeader    refusal = "header is not one JSON object of unique members"
	refuseCritical  refusal = "critical or unencoded extension"
	refuseAlgorithm refusal = "algorithm not allowed"
	refuseType      refusal = "typ not accepted"
	refuseKey       refusal = "no such key"
	refuseSignature refusal = "signature does not match"
	refuseClaims    refusal = "claims are not one JSON object of unique members"
	refuseClaim     refusal = "claim of the wrong type"
	refuseRequired  refusal = "required claim missing"
	refuseIssuer    refusal = "other issuer"
	refuseAudience  refusal = "other audience"
	refuseExpired   refusal = "expired"
	refuseEarly     refusal = "not valid yet"
)
