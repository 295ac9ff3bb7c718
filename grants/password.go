package grants

import (
	"context"

	"github.com/tokenkeep/tokenkeep/store"
)

// Password gets a token by the resource owner's password (RFC 6749 section 4.3). It is for servers that offer nothing
// else: the application sees the password, and RFC 9700 section 2.4 forbids the grant in anything new. The password is
// sent once and kept nowhere. No scopes means those of the Client.
func (c *Client) Password(ctx context.Context, username, password string, scopes ...string) (store.Token, error) {
	scopes = c.scopes(scopes)
	p := make(params, 0, 8)
	p = append(p, param{"grant_type", "password"}, param{"username", username}, param{"password", password})
	return c.token(ctx, p.scope(scopes), scopes)
}
