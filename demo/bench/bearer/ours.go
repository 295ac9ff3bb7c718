package bearer

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
	"github.com/tokenkeep/tokenkeep/store"
)

type user struct{ name string }

func guardOf(i *issuer, o *jwtauth.Options) (*middleware.Guard[user], error) {
	tokens, err := jwtauth.New(&jose.Verifier{
		Keys: jose.KeySet{{ID: keyID, Algorithm: i.alg, Public: i.public}}, Algorithms: []string{i.alg}, Issuer: issuerURL, Audience: []string{audience},
	}, o)
	if err != nil {
		return nil, err
	}
	return middleware.New(tokens, func(_ context.Context, rec *store.Record) (user, error) { return user{rec.Subject}, nil }, nil)
}

// cached remembers tokens for a minute, off verifies each time, and forgetful keeps two: every request is a first.
var (
	cached    *jwtauth.Options
	off       = &jwtauth.Options{Life: -time.Second}
	forgetful = &jwtauth.Options{MaxTokens: 2}
)

func ours(o *jwtauth.Options) func(i *issuer, s *site.Site) (http.Handler, error) {
	return func(i *issuer, s *site.Site) (http.Handler, error) {
		guard, err := guardOf(i, o)
		if err != nil {
			return nil, err
		}
		return guard.Require("profile")(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			u, _ := guard.User(r.Context())
			s.Seen(u.name)
		})), nil
	}
}

// oursArgument hands the user over as an argument.
func oursArgument(i *issuer, s *site.Site) (http.Handler, error) {
	guard, err := guardOf(i, cached)
	if err != nil {
		return nil, err
	}
	return guard.Handler(func(_ http.ResponseWriter, _ *http.Request, u user) { s.Seen(u.name) }, "profile"), nil
}

func oursInGin(i *issuer, s *site.Site) (http.Handler, error) {
	guard, err := guardOf(i, cached)
	if err != nil {
		return nil, err
	}
	router := gin.New()
	router.GET("/me", ginauth.Require(guard, "profile"), func(c *gin.Context) {
		u, _ := guard.User(c)
		s.Seen(u.name)
	})
	return router, nil
}
