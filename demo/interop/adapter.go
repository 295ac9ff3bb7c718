// Package interop holds what proves that this kit and others understand each other: golang.org/x/oauth2 as a client of the
// authorization server, the keeper behind an oauth2.TokenSource, and in oidc a certified OpenID provider whose every
// feature our client uses. The scripts beside it do the same with Python and curl.
package interop

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// Source is a keeper's record as an oauth2.TokenSource, for libraries that want one. It holds a context, since Token has
// none. The refresh token stays with the keeper: two who refresh with it sign the user out.
type Source struct {
	Context context.Context
	Keeper  *keeper.Keeper
	Handle  store.Handle
}

// Token returns the record's token, refreshed if need be.
func (s Source) Token() (*oauth2.Token, error) {
	rec, err := s.Keeper.Get(s.Context, s.Handle)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: rec.Token.AccessToken, TokenType: "Bearer", Expiry: rec.Token.Expiry}, nil
}
