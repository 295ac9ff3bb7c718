package bearer

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"slices"
	"strings"

	ginjwt "github.com/appleboy/gin-jwt/v2"
	auth0 "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/jwtauth/v5"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwx "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

func entitled(scope string) bool { return slices.Contains(strings.Fields(scope), "profile") }

// scoped are golang-jwt's claims with the one of ours.
type scoped struct {
	jwt.RegisteredClaims
	Scope string `json:"scope"`
}

func options(i *issuer) []jwt.ParserOption {
	return []jwt.ParserOption{
		jwt.WithValidMethods([]string{i.alg}), jwt.WithIssuer(issuerURL), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
	}
}

// inContext is how most hand their user on.
func inContext(s *site.Site, check func(r *http.Request) (string, error)) http.Handler {
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		u, _ := r.Context().Value(userKey{}).(string)
		s.Seen(u)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, err := check(r)
		if err != nil || u == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, u)))
	})
}

func bearerToken(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

func golangJWT(i *issuer, s *site.Site) (http.Handler, error) {
	parser := jwt.NewParser(options(i)...)
	return inContext(s, func(r *http.Request) (string, error) {
		var c scoped
		_, err := parser.ParseWithClaims(bearerToken(r), &c, func(*jwt.Token) (any, error) { return i.public, nil })
		if err == nil && !entitled(c.Scope) {
			err = errRefused
		}
		return c.Subject, err
	}), nil
}

func ginJWT(i *issuer, s *site.Site) (http.Handler, error) {
	mw := &ginjwt.GinJWTMiddleware{
		SigningAlgorithm: i.alg, IdentityKey: "sub", TokenLookup: "header: Authorization",
		KeyFunc: func(t *ginToken) (any, error) {
			if t.Method.Alg() != i.alg {
				return nil, errRefused
			}
			return i.public, nil
		},
		Authorizator: func(_ any, c *gin.Context) bool { // the library compares neither
			claims := ginjwt.ExtractClaims(c)
			scope, _ := claims["scope"].(string)
			return claims["iss"] == issuerURL && claims["aud"] == audience && entitled(scope)
		},
		Unauthorized: func(c *gin.Context, _ int, _ string) { c.AbortWithStatus(http.StatusUnauthorized) },
	}
	if err := mw.MiddlewareInit(); err != nil {
		return nil, err
	}
	router := gin.New()
	router.GET("/me", mw.MiddlewareFunc(), func(c *gin.Context) {
		sub, _ := ginjwt.ExtractClaims(c)["sub"].(string)
		s.Seen(sub)
	})
	return router, nil
}

func echoJWT(i *issuer, s *site.Site) (http.Handler, error) {
	e := echo.New()
	parser := jwt.NewParser(options(i)...)
	e.GET("/me", func(c echo.Context) error {
		claims := c.Get("user").(*jwt.Token).Claims.(*scoped)
		if !entitled(claims.Scope) {
			return c.NoContent(http.StatusForbidden)
		}
		s.Seen(claims.Subject)
		return nil
	}, echojwt.WithConfig(echojwt.Config{
		ParseTokenFunc: func(_ echo.Context, text string) (any, error) { // its own parser knows no issuer and audience
			return parser.ParseWithClaims(text, &scoped{}, func(*jwt.Token) (any, error) { return i.public, nil })
		},
		ErrorHandler: func(c echo.Context, _ error) error { return c.NoContent(http.StatusUnauthorized) },
	}))
	return e, nil
}

// auth0Claims has go-jwt-middleware check what it does not by itself: the scope, and that the token expires.
type auth0Claims struct {
	Scope string `json:"scope"`
	Exp   int64  `json:"exp"`
}

func (c *auth0Claims) Validate(context.Context) error {
	if c.Exp == 0 || !entitled(c.Scope) {
		return errRefused
	}
	return nil
}

func auth0JWT(i *issuer, s *site.Site) (http.Handler, error) {
	v, err := validator.New(func(context.Context) (any, error) { return i.public, nil }, validator.SignatureAlgorithm(i.alg), issuerURL, []string{audience},
		validator.WithCustomClaims(func() validator.CustomClaims { return &auth0Claims{} }))
	if err != nil {
		return nil, err
	}
	refuse := auth0.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusUnauthorized) })
	return auth0.New(v.ValidateToken, refuse).CheckJWT(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		claims, _ := r.Context().Value(auth0.ContextKey{}).(*validator.ValidatedClaims)
		s.Seen(claims.RegisteredClaims.Subject)
	})), nil
}

func jwxJWT(i *issuer, s *site.Site) (http.Handler, error) {
	alg, ok := jwa.LookupSignatureAlgorithm(i.alg)
	if !ok {
		return nil, errors.New("jwx does not know " + i.alg)
	}
	opts := []jwx.ParseOption{
		jwx.WithKey(alg, i.public), jwx.WithIssuer(issuerURL), jwx.WithAudience(audience), jwx.WithRequiredClaim("exp"),
	}
	return inContext(s, func(r *http.Request) (string, error) {
		token, err := jwx.ParseString(bearerToken(r), opts...)
		if err != nil {
			return "", err
		}
		var scope string
		if err := token.Get("scope", &scope); err != nil || !entitled(scope) {
			return "", errRefused
		}
		sub, _ := token.Subject()
		return sub, nil
	}), nil
}

func goOIDC(i *issuer, s *site.Site) (http.Handler, error) {
	v := oidc.NewVerifier(issuerURL, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{i.public}},
		&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{i.alg}})
	return inContext(s, func(r *http.Request) (string, error) {
		token, err := v.Verify(r.Context(), bearerToken(r))
		if err != nil {
			return "", err
		}
		var c struct {
			Scope string `json:"scope"`
		}
		if err := token.Claims(&c); err != nil || !entitled(c.Scope) {
			return "", errRefused
		}
		return token.Subject, nil
	}), nil
}

func chiJWT(i *issuer, s *site.Site) (http.Handler, error) {
	ja := jwtauth.New(i.alg, i.key, i.public, chiIssuer(issuerURL), chiAudience(audience), chiRequired("exp"))
	last := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, claims, err := jwtauth.FromContext(r.Context())
		scope, _ := claims["scope"].(string)
		if err != nil || token == nil || !entitled(scope) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		s.Seen(token.Subject())
	})
	return jwtauth.Verifier(ja)(jwtauth.Authenticator(ja)(last)), nil
}
