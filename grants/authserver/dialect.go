package authserver

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Dialect is how token requests of some clients look and what their answers say: data, so that an endpoint that has to
// stay as its callers know it is a configuration. Clients name theirs in [Client.Dialect], mounts theirs in
// [Server.Token] and [Server.Authorize]; several dialects share one Server, and even one path. The zero value is plain
// RFC 6749: form bodies, any client authentication, one hour, rotating refresh tokens. Not to be changed after [New].
type Dialect struct {
	// TrailingSlash says that the endpoint's path ends in a slash. The other form of the path, which the application
	// mounts too, is answered with a JSON error that says so, since a redirect would lose the body.
	TrailingSlash bool

	// JSON takes token requests as one JSON object of strings, and nothing else; false takes forms, and nothing else.
	JSON bool

	// AuthMethods are the client authentication methods taken, by their registered names: client_secret_basic,
	// client_secret_post (also in a JSON body), private_key_jwt and none; nil: all. Public clients need none.
	AuthMethods []string

	// Scopes are granted when a request names none, as far as the client may have them, and are all that a client
	// without [Client.Scopes] may ask for.
	Scopes []string

	// Audience makes access tokens JWTs (RFC 9068), for resource servers that check them without asking: their aud.
	// The sub of a client's own token is its ID, so that no client's ID may be a user's. Needs [Options.Keys].
	// nil: opaque tokens.
	Audience []string

	TokenType string // the spelling of token_type in answers; "" means "Bearer"

	AccessTTL  time.Duration // of an access token; 0 means 1 hour
	RefreshTTL time.Duration // of each refresh token: unused for so long, it is dead; 0 means 30 days
	GrantTTL   time.Duration // of a login with all its refreshes, however much it is used; 0 means 365 days

	// Rotation says what using a refresh token does to it.
	Rotation Rotation

	// Grace is how long a rotated refresh token may be used again, for clients that lost the answer or race with
	// themselves; 0: not at all. GraceRule says what they get. With GraceSame it is at most AccessTTL.
	Grace     time.Duration
	GraceRule GraceRule

	// Reissue answers a password request with the access token that the user and client already have, and its
	// remaining seconds, while that is not expired.
	Reissue bool

	Expires          bool // answers also tell "expires", the access token's expiry in seconds since 1970
	RefreshExpiresIn bool // answers with a refresh token also tell "refresh_token_expires_in", in seconds
	OmitRefresh      bool // answers to a refresh leave the refresh token out; for [RotateNever]
}

// Rotation says what using a refresh token does to it. The zero value is [RotateAndRevoke].
type Rotation uint8

const (
	// RotateAndRevoke replaces the refresh token at each use. The use of a replaced one, past [Dialect.Grace], ends
	// the login it came from with everything issued for it, since one of the two users is a thief (RFC 9700 section
	// 4.14.2).
	RotateAndRevoke Rotation = iota

	// RotateOnly replaces the refresh token at each use and refuses a replaced one, but leaves its successors alone.
	RotateOnly

	// RotateNever keeps the refresh token until its RefreshTTL is over. Not for clients without a secret.
	RotateNever
)

// GraceRule says what a rotated refresh token is good for within [Dialect.Grace]. The zero value is [GraceSame], the one
// that keeps real clients signed in and gives a thief nothing; the others are there to stand in for providers that have
// them.
type GraceRule uint8

const (
	// GraceSame answers with the successor that the first use got, and its remaining seconds. For that the successor
	// stands in the record of the spent token, as the store keeps all tokens, until that record goes.
	GraceSame GraceRule = iota

	// GraceSibling answers each use with a pair of its own. All of them live.
	GraceSibling

	// GraceNewest answers with a pair of its own as long as no successor was used, and the pair that the use before
	// got is dead.
	GraceNewest

	// GracePrevious answers with a pair of its own as long as no successor was used. All of them live.
	GracePrevious
)

const (
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authNone  = "none"

	authAssertion = "private_key_jwt"
)

// dialect is a Dialect as used: a copy with its defaults filled in.
type dialect struct{ Dialect }

func newDialect(from *Dialect) *dialect {
	d := &dialect{*from}
	d.AuthMethods, d.Scopes, d.Audience = slices.Clone(d.AuthMethods), slices.Clone(d.Scopes), slices.Clone(d.Audience)
	if d.AuthMethods == nil {
		d.AuthMethods = []string{authBasic, authPost, authAssertion, authNone}
	}
	if d.TokenType == "" {
		d.TokenType = "Bearer"
	}
	for _, set := range []struct {
		ttl *time.Duration
		to  time.Duration
	}{{&d.AccessTTL, time.Hour}, {&d.RefreshTTL, 30 * 24 * time.Hour}, {&d.GrantTTL, 365 * 24 * time.Hour}} {
		if *set.ttl == 0 {
			*set.ttl = set.to
		}
	}
	return d
}

func (d *dialect) allows(method string) bool { return slices.Contains(d.AuthMethods, method) }

// faults names everything that is wrong with d.
func (d *dialect) faults() error {
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("authserver: dialect: "+format, args...))
	}
	for _, m := range d.AuthMethods {
		if m != authBasic && m != authPost && m != authAssertion && m != authNone {
			add("AuthMethods: unknown method %q", m)
		}
	}
	for _, scope := range d.Scopes {
		if !isScope(scope) {
			add("Scopes: %q is no scope token (RFC 6749 section 3.3)", scope)
		}
	}
	if slices.Contains(d.Audience, "") {
		add("Audience: an empty name")
	}
	if !strings.EqualFold(d.TokenType, "Bearer") {
		add("TokenType: %q is not a spelling of Bearer", d.TokenType)
	}
	// A lifetime is told in whole seconds: a shorter one would be told as none.
	for name, ttl := range map[string]time.Duration{
		"AccessTTL": d.AccessTTL, "RefreshTTL": d.RefreshTTL, "GrantTTL": d.GrantTTL,
	} {
		if ttl < time.Second {
			add("%s: %s is below a second", name, ttl)
		}
	}
	if d.Rotation > RotateNever {
		add("Rotation: unknown value %d", d.Rotation)
	}
	switch {
	case d.GraceRule > GracePrevious:
		add("GraceRule: unknown value %d", d.GraceRule)
	case d.Grace < 0 || (d.GraceRule == GraceSame && d.Grace > d.AccessTTL):
		add("Grace: %s is not between 0 and AccessTTL, %s", d.Grace, d.AccessTTL)
	case d.Grace == 0 && d.GraceRule != GraceSame:
		add("GraceRule: needs a Grace")
	case d.Grace > 0 && d.Rotation == RotateNever:
		add("Grace: a refresh token that is never rotated needs none")
	}
	if d.OmitRefresh && d.Rotation != RotateNever {
		add("OmitRefresh: a rotated refresh token that is not told is lost; it needs RotateNever")
	}
	return errors.Join(errs...)
}
