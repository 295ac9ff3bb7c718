package bearer

import (
	"net/http"

	ginjwtv4 "github.com/golang-jwt/jwt/v4"
	jwxv2 "github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

// Names of older libraries that two of the peers are built on.
type ginToken = ginjwtv4.Token

var (
	chiIssuer   = jwxv2.WithIssuer
	chiAudience = jwxv2.WithAudience
	chiRequired = jwxv2.WithRequiredClaim
)

type opener func(i *issuer, s *site.Site) (http.Handler, error)

func floorOf(cached, argument bool) opener {
	return func(i *issuer, s *site.Site) (http.Handler, error) {
		return newFloor(i, s, cached).site(s, argument), nil
	}
}

type contestant struct {
	name string
	role measure.Role
	open opener
}

var (
	peers = []contestant{
		{"golang-jwt by hand", measure.Peer, golangJWT}, {"gin-jwt", measure.Peer, ginJWT}, {"echo-jwt", measure.Peer, echoJWT},
		{"auth0 go-jwt-middleware v2", measure.Peer, auth0JWT}, {"jwx v3 by hand", measure.Peer, jwxJWT}, {"go-oidc", measure.Peer, goOIDC},
		{"chi jwtauth", measure.Peer, chiJWT},
	}
	seen = append([]contestant{
		{"floor: cache by SHA-256 of the token", measure.Floor, floorOf(true, false)},
		{"floor: the same, user as an argument", measure.Floor, floorOf(true, true)},
		{"tokenkeep: guard, jwtauth", measure.Ours, ours(cached)},
		{"tokenkeep: the same, user as an argument", measure.Ours, oursArgument},
		{"tokenkeep: the same in Gin", measure.Ours, oursInGin},
	}, peers...)
	first = []contestant{
		{"floor: verify and scan the claims by hand", measure.Floor, floorOf(false, false)},
		{"tokenkeep: cache off", measure.Ours, ours(off)},
		{"tokenkeep: cache on, always another token", measure.Ours, ours(forgetful)},
		peers[0],
	}
	refusing = []contestant{
		{"floor: cache by SHA-256 of the token", measure.Floor, floorOf(true, false)},
		{"tokenkeep: guard, jwtauth", measure.Ours, ours(cached)}, peers[0], peers[3], peers[5],
	}
)

// users is how many tokens are in use: each is seen again after so many requests.
const users = 100

func (c contestant) row(table, alg string, trial func(s *site.Site) *measure.Trial) measure.Row {
	return measure.Row{Table: table, Name: c.name, Role: c.role, Setup: func(scene *measure.Scene) (*measure.Trial, error) {
		i, err := newIssuer(alg)
		if err != nil {
			return nil, err
		}
		s := &site.Site{}
		if err := i.fill(s, scene.Size(users)); err != nil {
			return nil, err
		}
		if s.Handler, err = c.open(i, s); err != nil {
			return nil, err
		}
		return trial(s), nil
	}}
}

// Rows are the tables of one algorithm.
func Rows(alg string) []measure.Row {
	var rows []measure.Row
	for _, c := range seen {
		if c.name == "go-oidc" && alg == "HS256" { // which it does not verify
			continue
		}
		rows = append(rows, c.row("bearer/"+alg+", seen before", alg, (*site.Site).Trial))
	}
	for _, c := range first {
		rows = append(rows, c.row("bearer/"+alg+", first sight", alg, (*site.Site).Trial))
	}
	return rows
}

// Refused are requests that are turned away, RS256.
func Refused() []measure.Row {
	const alg = "RS256"
	var rows []measure.Row
	for _, what := range []string{"no token", "an expired token", "a bad signature", "8 kB of rubbish", "8 kB of dots"} {
		for _, c := range refusing {
			rows = append(rows, c.row("bearer/"+alg+", refused: "+what, alg, func(s *site.Site) *measure.Trial { return s.Refusing(what) }))
		}
	}
	return rows
}
