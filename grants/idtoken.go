package grants

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

// ErrIDToken: the ID token is missing, forged, expired, or meant for another client, login or user (OpenID Connect Core
// sections 3.1.3.7 and 12.2). Who presented it is not signed in; a browser deserves a 400.
var ErrIDToken = errors.New("the ID token is not acceptable")

// maxIDToken bounds what is looked at; lists of groups make them long.
const maxIDToken = 32 << 10

// publicKeyAlgorithms are what ID tokens may be signed with unless the client says otherwise. What a secret signs is
// not among them: the client would have to list it.
var publicKeyAlgorithms = []string{
	"RS256", "PS256", "ES256", "EdDSA", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512",
}

// IDToken returns the verified claims of tok's ID token: who has signed in is Issuer and Subject together (OpenID
// Connect Core section 2). It checks signature, issuer, audience, azp and expiry (section 3.1.3.7), which needs the
// client's Issuer and Keys; what ties the token to one login, nonce, at_hash and c_hash, [Client.Exchange] has checked.
//
// An error that errors.Is [ErrIDToken] refuses the token, an expired one too; any other says that it could not be found
// out.
func (c *Client) IDToken(ctx context.Context, tok store.Token) (*jose.Claims, error) {
	q := &call{what: "id_token"}
	if c.Issuer == "" || c.Keys == nil {
		return nil, c.misconfigured(q, errors.New("Issuer and Keys are needed to verify an ID token"))
	}
	claims, err := c.verifyID(ctx, tok.IDToken)
	if err != nil {
		return nil, c.idFailure(q, err, RetryLater)
	}
	return claims, nil
}

func (c *Client) idFailure(q *call, err error, unavailable Class) *Error {
	if errors.Is(err, ErrIDToken) {
		return c.fail(q, nil, ProtocolError, err)
	}
	return c.fail(q, nil, unavailable, err)
}

func refusedID(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrIDToken}, args...)...)
}

func (c *Client) idVerifier() *jose.Verifier {
	v := &jose.Verifier{
		Keys: c.Keys, Algorithms: c.IDTokenAlgorithms, Issuer: c.Issuer, Audience: []string{c.ID},
		Required: []string{"sub", "iat"}, Limit: maxIDToken, Now: c.now,
	}
	if len(v.Algorithms) == 0 {
		v.Algorithms = publicKeyAlgorithms
	}
	return v
}

// verifyID checks all that holds for every ID token of this client.
func (c *Client) verifyID(ctx context.Context, compact string) (*jose.Claims, error) {
	if compact == "" {
		return nil, refusedID("there is none, though openid was asked for")
	}
	claims, err := c.idVerifier().Verify(ctx, compact)
	if errors.Is(err, jose.ErrInvalid) {
		return nil, refusedID("%w", err)
	} else if err != nil {
		return nil, err
	}
	azp := claims.Get("azp")
	switch {
	case azp == nil && len(claims.Audience) > 1:
		return nil, refusedID("it has several audiences and names no authorized party")
	case azp != nil && claims.Text("azp") != c.ID:
		return nil, refusedID("its authorized party is another client")
	}
	return claims, nil
}

// checkLogin verifies the ID token of an answer to f, if f asked for one and the client has what it takes.
func (c *Client) checkLogin(ctx context.Context, f *Flow, tok store.Token, code string) error {
	if f.Nonce == "" || c.Issuer == "" || c.Keys == nil {
		return nil
	}
	claims, err := c.verifyID(ctx, tok.IDToken)
	if err != nil {
		return err
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(claims.Text("nonce")), []byte(f.Nonce)) != 1:
		return refusedID("its nonce is not the flow's")
	case claims.Get("at_hash") != nil && claims.Text("at_hash") != claims.HalfHash(tok.AccessToken):
		return refusedID("it belongs to another access token")
	case claims.Get("c_hash") != nil && claims.Text("c_hash") != claims.HalfHash(code):
		return refusedID("it belongs to another code")
	}
	return c.checkAge(f, claims)
}

// checkAge refuses a sign-in that is older than the flow's max_age allows.
func (c *Client) checkAge(f *Flow, claims *jose.Claims) error {
	if f.MaxAge == "" {
		return nil
	}
	limit, err := strconv.ParseInt(f.MaxAge, 10, 32)
	at, ok := date(claims.Get("auth_time"))
	const leeway = time.Minute
	if err != nil || !ok || c.now().Sub(at) > time.Duration(limit)*time.Second+leeway {
		return refusedID("the user has signed in longer ago than max_age allows")
	}
	return nil
}

// sameUser checks the ID token of a refresh against the login's (OpenID Connect Core section 12.2) and returns the one
// to keep. Both came straight from the token endpoint; whoever uses one as proof verifies it by IDToken. One that
// cannot be read loses no token.
func sameUser(old, fresh string) (string, error) {
	was, is := readID(old), readID(fresh)
	switch {
	case is.Sub == "":
		return "", nil
	case was.Sub != "" && (was.Sub != is.Sub || was.Iss != is.Iss):
		return "", refusedID("it is of another user or issuer than the login's")
	}
	return fresh, nil
}

type identity struct{ Iss, Sub string }

// readID reads who an ID token is about, without verifying anything.
func readID(compact string) (who identity) {
	part := strings.Split(compact, ".")
	if len(part) != 3 {
		return identity{}
	}
	b, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		return identity{}
	}
	eachMember(b, func(name, value []byte) {
		switch string(name) {
		case "iss":
			who.Iss, _ = str(value)
		case "sub":
			who.Sub, _ = str(value)
		}
	})
	return who
}
