package grants

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

const (
	jwtBearerAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLife      = time.Minute
)

// errSigning: the key could not be used just now, as when a KMS does not answer.
var errSigning = errors.New("the client's key could not sign")

// assertion is who the client says it is, signed (RFC 7523 section 3): for one request, one minute and one server. The
// audience is the issuer alone, since an assertion made out to one server's URL can be passed on to it by another.
func (c *Client) assertion() (string, error) {
	key, err := c.assertionKey()
	if err != nil {
		return "", err
	}
	now := c.now()
	text, err := key.Sign(nil, map[string]any{
		"iss": c.ID, "sub": c.ID, "aud": or(c.AssertionAudience, or(c.Issuer, c.TokenURL)), "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSigning, err)
	}
	return text, nil
}

func (c *Client) assertionKey() (*jose.Signer, error) {
	if c.Auth == ClientSecretJWT {
		key, err := jose.NewSigner("HS256", "", []byte(c.Secret))
		if err != nil {
			return nil, fmt.Errorf("Secret of %d bytes does not fit ClientSecretJWT, which needs 32", len(c.Secret))
		}
		return key, nil
	}
	if c.Signer == nil || c.Signer.JWK() == nil {
		return nil, errors.New("Signer with a private key is needed by PrivateKeyJWT")
	}
	return c.Signer, nil
}
