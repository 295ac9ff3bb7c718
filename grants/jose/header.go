package jose

import "strings"

// Names that a reader of tokens or keys acts upon; the same in another case is refused wherever they are.
var (
	headerNames = []string{"alg", "kid", "typ", "crit", "b64", "jku", "jwk", "x5u", "x5c", "cty", "enc", "zip"}
	claimNames  = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "client_id", "cnf", "act",
		"azp", "nonce", "at_hash", "c_hash", "sid", "events", "auth_time", "acr", "amr"}
	jwkNames = []string{"kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e", "k", "d", "keys"}
)

// jws is a token in compact form (RFC 7515 section 7.1), split but not yet believed.
type jws struct {
	signed    string // header and claims, as they were signed
	claims    string // in base64url
	signature string // in base64url
	alg       string
	kid       string
	typ       string

	algorithm *algorithm // the one that alg names, if the verifier allows it
}

// parse splits a token and reads its header. Nothing of the header is used but alg, kid and typ: keys and the places
// to find them come from configuration.
func parse(compact string) (jws, error) {
	first := strings.IndexByte(compact, '.')
	last := first + 1 + strings.IndexByte(compact[first+1:], '.') // LastIndexByte goes byte by byte
	if first < 0 || first == last || strings.IndexByte(compact[last+1:], '.') >= 0 {
		return jws{}, refuseForm
	}
	t := jws{signed: compact[:last], claims: compact[first+1 : last], signature: compact[last+1:]}
	header, err := decodeText(compact[:first])
	if err != nil {
		return jws{}, refuseForm
	}
	return t, t.read(header)
}

func (t *jws) read(header string) error {
	var room [8]member
	members, err := readObject(room[:0], header, headerNames)
	if err != nil {
		return refuseHeader
	}
	for i := range members {
		var into *string
		switch members[i].nameIn(header) {
		case "alg":
			into = &t.alg
		case "kid":
			into = &t.kid
		case "typ":
			into = &t.typ
		case "crit", "b64": // RFC 7515 section 4.1.11, RFC 7797
			return refuseCritical
		default:
			continue
		}
		s, ok := text(members[i].valueIn(header))
		if !ok || s == "" {
			return refuseHeader
		}
		*into = s
	}
	return nil
}

// typed says whether typ is one of accepted; empty: "JWT" or none.
func (t *jws) typed(accepted []string) bool {
	typ := bareType(t.typ)
	if len(accepted) == 0 {
		return typ == "" || strings.EqualFold(typ, "JWT")
	}
	for _, a := range accepted {
		if strings.EqualFold(bareType(a), typ) {
			return true
		}
	}
	return false
}

// bareType is a media type without "application/", which may be left out (RFC 7515 section 4.1.9).
func bareType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}

// text is the string that a JSON value is.
func text(value string) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return unquote(value)
}
