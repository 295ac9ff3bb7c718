package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/tokenkeep/tokenkeep/store"
)

// The grant types of RFC 7523 and RFC 8693.
const (
	jwtBearerGrant     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	tokenExchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessTokenType    = "urn:ietf:params:oauth:token-type:access_token"
)

// ClientCredentials gets a token for the client itself (RFC 6749 section 4.4). There is no refresh token; a Client with
// OwnAccount repeats this grant instead. No scopes means those of the Client.
func (c *Client) ClientCredentials(ctx context.Context, scopes ...string) (store.Token, error) {
	const grant = "client_credentials"
	if c.Auth == None {
		return store.Token{}, c.misconfigured(&call{what: grant}, errors.New("Auth None proves nothing"))
	}
	scopes = c.scopes(scopes)
	return c.token(ctx, append(make(params, 0, 6), param{"grant_type", grant}).scope(scopes), scopes)
}

// Extension gets a token by any other grant (RFC 6749 section 4.5): its type is an absolute URI, or a name that the
// server made up. No scopes means those of the Client.
func (c *Client) Extension(
	ctx context.Context, grantType string, with map[string][]string, scopes ...string,
) (store.Token, error) {
	q := &call{what: bounded(grantType, 100)}
	if grantType == "" {
		return store.Token{}, c.misconfigured(q, errors.New("the grant type is empty"))
	}
	if err := c.targetFault(with["audience"], with["resource"]); err != nil {
		return store.Token{}, c.misconfigured(q, err)
	}
	p := append(make(params, 0, 10), param{"grant_type", grantType})
	for _, name := range slices.Sorted(maps.Keys(with)) {
		if name == "grant_type" {
			return store.Token{}, c.misconfigured(q, errors.New("grant_type is there twice"))
		}
		for _, value := range with[name] {
			p = append(p, param{name, value})
		}
	}
	scopes = c.scopes(scopes)
	return c.token(ctx, p.scope(scopes), scopes)
}

// JWTBearer gets a token by a signed assertion about a user or the client (RFC 7523 section 2.1). No scopes means those
// of the Client.
func (c *Client) JWTBearer(ctx context.Context, assertion string, scopes ...string) (store.Token, error) {
	return c.Extension(ctx, jwtBearerGrant, map[string][]string{"assertion": {assertion}}, scopes...)
}

// TokenExchange is a request to exchange one token for another (RFC 8693 section 2.1). It prints without the tokens.
type TokenExchange struct {
	Subject     string   // the token that stands for the user
	SubjectType string   // empty: an access token's type
	Actor       string   // the token of who acts for the user; may be empty
	ActorType   string   // empty: an access token's type
	Requested   string   // the type asked for; empty: the server's choice
	Audience    []string // who is to accept the new token; each must be among Client.Targets
	Resource    []string // where it is to be used (RFC 8707); the same
	Scopes      []string // nil: those of the Client
}

// String tells what is asked for, never a token.
func (x TokenExchange) String() string {
	return fmt.Sprintf("token exchange(%s for audience %q, resource %q, scopes %q)", or(x.SubjectType, accessTokenType), x.Audience, x.Resource, x.Scopes)
}

// Format prints [TokenExchange.String] for every verb.
func (x TokenExchange) Format(f fmt.State, _ rune) { fmt.Fprint(f, x.String()) }

// LogValue logs [TokenExchange.String].
func (x TokenExchange) LogValue() slog.Value { return slog.StringValue(x.String()) }

// MarshalJSON encodes [TokenExchange.String], so that a stray encoder leaks nothing.
func (x TokenExchange) MarshalJSON() ([]byte, error) { return json.Marshal(x.String()) }

// TokenExchange exchanges a token (RFC 8693). What the answer says of its type, issued_token_type, is in Token.Extra.
func (c *Client) TokenExchange(ctx context.Context, x *TokenExchange) (store.Token, error) {
	if x == nil || x.Subject == "" {
		return store.Token{}, c.misconfigured(&call{what: tokenExchangeGrant}, errors.New("no subject token"))
	}
	with := map[string][]string{
		"subject_token": {x.Subject}, "subject_token_type": {or(x.SubjectType, accessTokenType)},
		"audience": x.Audience, "resource": x.Resource,
	}
	if x.Actor != "" {
		with["actor_token"], with["actor_token_type"] = []string{x.Actor}, []string{or(x.ActorType, accessTokenType)}
	}
	if x.Requested != "" {
		with["requested_token_type"] = []string{x.Requested}
	}
	return c.Extension(ctx, tokenExchangeGrant, with, x.Scopes...)
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// targetFault refuses to ask for tokens that are good elsewhere than the configuration foresees.
func (c *Client) targetFault(lists ...[]string) error {
	for _, values := range lists {
		for _, v := range values {
			if !slices.Contains(c.Targets, v) {
				return fmt.Errorf("%q is not among Client.Targets", bounded(v, 200))
			}
		}
	}
	return nil
}
