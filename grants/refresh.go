package grants

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
)

// Refresh gets a new token by the record's refresh token (RFC 6749 section 6): it makes a Client the keeper's Refresher.
// It returns what the server said, except that scopes it did not mention are the record's: RefreshToken is empty if
// the old one stays good. A record of another provider is refused before anything is sent; an error of a token that was
// spent without a usable answer comes with the refresh token that the answer held, if any. An answer whose ID token is
// of another user than the record's is refused ([ErrIDToken], OpenID Connect Core section 12.2).
//
// With OwnAccount it repeats the client credentials grant, for the client's scopes or else the record's.
//
// The keeper calls it once per refresh, for all replicas. Applications that call it themselves have to see to that.
func (c *Client) Refresh(ctx context.Context, rec *store.Record) (store.Token, error) {
	const grant = "refresh_token"
	if err := c.mine(grant, rec); err != nil {
		return store.Token{}, err
	}
	if c.OwnAccount {
		if len(c.Scopes) > 0 {
			return c.ClientCredentials(ctx)
		}
		return c.ClientCredentials(ctx, rec.Token.Scopes...)
	}
	if rec.Token.RefreshToken == "" {
		return store.Token{}, c.fail(&call{what: grant}, nil, GrantDead, errors.New("the record has no refresh token"))
	}
	if bound(rec.Token) && c.DPoP == nil { // sent without a proof it might end the grant
		return store.Token{}, c.misconfigured(&call{what: grant}, errNoDPoP)
	}
	p := make(params, 0, 6)
	p = append(p, param{"grant_type", grant}, param{"refresh_token", rec.Token.RefreshToken})
	tok, err := c.token(ctx, p, rec.Token.Scopes)
	if err != nil {
		return tok, err
	}
	if tok.IDToken, err = sameUser(rec.Token.IDToken, tok.IDToken); err != nil {
		return store.Token{RefreshToken: tok.RefreshToken}, c.fail(&call{what: grant}, nil, ProtocolError, err)
	}
	return tok, nil
}

// mine refuses a record whose tokens another provider gave.
func (c *Client) mine(what string, rec *store.Record) error {
	if rec == nil {
		return c.misconfigured(&call{what: what}, errors.New("no record"))
	}
	if rec.Provider != "" && rec.Provider != c.provider() {
		return c.misconfigured(&call{what: what}, fmt.Errorf("the record belongs to %q", shownName(rec.Provider)))
	}
	return nil
}

// Revoke revokes the record's refresh token, or else its access token (RFC 7009), and makes a Client the keeper's
// Revoker. Nil means that there is nothing left to revoke: the server did so, has never heard of the token, or has no
// revocation endpoint (RevokeURL is empty).
func (c *Client) Revoke(ctx context.Context, rec *store.Record) error {
	if err := c.mine("revoke", rec); err != nil {
		return err
	}
	token, hint := rec.Token.RefreshToken, "refresh_token"
	if token == "" {
		token, hint = rec.Token.AccessToken, "access_token"
	}
	if token == "" || c.RevokeURL == "" {
		return nil
	}
	p := make(params, 0, 6)
	p = append(p, param{"token", token}, param{"token_type_hint", hint})
	q, ans, err := c.post(ctx, "revoke", "RevokeURL", c.RevokeURL, p)
	if err != nil {
		return err
	}
	if ans.status < 300 {
		return nil
	}
	e := c.refused(q, ans)
	if e.Code == "invalid_token" { // Google's answer for a token that is no longer good
		return nil
	}
	return e
}
