package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

// Client is an application registered at one authorization server (RFC 6749 section 2): where the server is, who the
// application is there, and what the server does its own way. It is needed by whoever gets tokens; it is also the
// keeper's Refresher and Revoker.
//
// A Client is a plain struct: write it as a literal and do not change it once it is in use; its methods may then be
// called concurrently. Faults are reported by [Client.Validate], all at once, and by the first method they concern,
// before anything is sent. It prints without its secret.
//
// Every request is sent once: nothing is retried and no style is probed, because passwords, codes and refresh tokens
// may be good for one use only. (With DPoP, a server that wants nothing but a nonce is sent the request again.)
// Redirects are refused, answers are read up to 1 MiB after decompression, and every error is an [*Error] (or wraps one)
// that says what has become of the credential.
type Client struct {
	// Provider names the authorization server in records; it must stay the same while they live.
	// Empty: Issuer, or else TokenURL.
	Provider string
	// Issuer is the server's issuer identifier (RFC 8414, OpenID Connect), compared byte for byte. A callback that names
	// an issuer (RFC 9207) is refused if it is another one, or if this is empty.
	Issuer string
	// RequireIss refuses callbacks that name no issuer, for servers that promise one
	// (authorization_response_iss_parameter_supported).
	RequireIss bool

	// The server's endpoints, sent to as they are written, to the last slash. They are https; plain http is accepted for
	// loopback hosts. Those never used may be empty.
	AuthorizeURL  string
	TokenURL      string
	RevokeURL     string // RFC 7009
	UserInfoURL   string // OpenID Connect
	IntrospectURL string // RFC 7662
	DeviceURL     string // RFC 8628
	PARURL        string // RFC 9126; if set, every authorization request is pushed there first
	EndSessionURL string // OpenID Connect RP-initiated logout

	// Keys are the issuer's, by which ID tokens are verified: a jose.Remote of its jwks_uri. Discover makes one. With
	// Issuer and Keys set, Exchange takes no login without an ID token that is in order, if "openid" was asked for.
	Keys jose.KeySource
	// IDTokenAlgorithms are those that ID tokens may be signed with; empty: each that has public keys.
	IDTokenAlgorithms []string

	ID     string
	Secret string
	// Auth is how the client authenticates; the zero value is ClientSecretBasic.
	Auth ClientAuth
	// Signer signs the assertions of PrivateKeyJWT; the server knows its public key.
	Signer *jose.Signer
	// AssertionAudience is whom assertions are made out to, for servers that insist; empty: Issuer, or else TokenURL.
	AssertionAudience string
	// DPoP, if set, binds tokens to its key where the server can; nil: bearer tokens.
	DPoP *DPoP
	// Encoding is how bodies are written; the zero value is Form.
	Encoding Encoding
	// RedirectURI is where the authorization server sends the browser back to.
	RedirectURI string
	// Scopes are asked for where a call names none; empty: the scope parameter is not sent.
	Scopes []string

	// Extra is what the server wants beyond the RFCs, by request: a grant type such as "refresh_token", or "authorize",
	// "par", "device", "revoke", "introspect", "userinfo", "discovery"; "" is for every request in which the client authenticates.
	Extra map[string]Extra
	// Codes gives the server's own error codes their meaning, such as "bad_refresh_token": GrantDead. It goes before
	// [Rules].
	Codes map[string]Class

	// Targets are the resource and audience values that token exchange and extension grants may ask for (RFC 8693, 8707).
	Targets []string
	// OwnAccount is for a client whose records are all its own, none a user's: Refresh repeats the client credentials
	// grant, and grants of users are refused.
	OwnAccount bool
	// VerifyImplicit proves that a token from a fragment was issued to this client, for servers with an endpoint of
	// their own for that. Nil: IntrospectURL must tell.
	VerifyImplicit func(ctx context.Context, tok store.Token) error
	// Hooks change requests and answers where nothing else helps, in this order.
	Hooks []Hook

	// DefaultTTL is the access token's lifetime where an answer tells none; zero: not known.
	DefaultTTL time.Duration
	// ZeroExpired takes an expires_in of 0 for "expired"; otherwise it counts as none told, since some servers mean
	// "never".
	ZeroExpired bool
	// StrictTokenType refuses every token_type but Bearer, or, with DPoP set, but DPoP; otherwise only those bound to a
	// key that the client does not have are refused.
	StrictTokenType bool

	// Timeout bounds each request, its answer included; zero: 10 s. The context may end it sooner.
	Timeout time.Duration
	// HTTP gives the transport and, if shorter, the timeout; its redirect policy and cookie jar are not used. The
	// transport also bounds the headers of answers (http.Transport.MaxResponseHeaderBytes). Nil: http.DefaultTransport.
	HTTP *http.Client
	// Now is the clock; nil: time.Now.
	Now func() time.Time

	// InsecureNoPKCE sends no PKCE challenge (RFC 7636), for servers that choke on one.
	InsecureNoPKCE bool
	// InsecureNoState accepts a callback without state, for servers that drop it. PKCE and the caller's binding of the
	// Flow to the browser are then all that is left against forged callbacks.
	InsecureNoState bool
	// InsecureImplicit accepts a token from a fragment without proof that it was issued to this client: whoever gets a
	// user's token for another application can then log in as that user.
	InsecureImplicit bool
	// InsecureAllowHTTP accepts plain http for hosts that are not loopback.
	InsecureAllowHTTP bool
}

// Extra is what a server wants beyond the RFCs in one kind of request. It prints without the values, which may be keys.
type Extra struct {
	Params map[string][]string // added to the body, or to the query of the authorization URL; url.Values fits
	Header http.Header         // replaces what the client sends under the same name; not for "authorize"
}

const (
	defaultTimeout = 10 * time.Second
	maxBody        = 1 << 20
)

// Providers returns the one name that records of this client carry, so that a keeper can check and fill it in.
func (c *Client) Providers() []string { return []string{c.provider()} }

func (c *Client) provider() string {
	switch {
	case c.Provider != "":
		return c.Provider
	case c.Issuer != "":
		return c.Issuer
	default:
		return c.TokenURL
	}
}

func (c *Client) shown() string { return shownName(c.provider()) }

// shownName is a provider's name as errors and logs have it: without a URL's query.
func shownName(provider string) string {
	name, _, _ := strings.Cut(provider, "?")
	return bounded(name, 200)
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now().Round(0)
	}
	return time.Now().Round(0)
}

func (c *Client) timeout() time.Duration {
	d := c.Timeout
	if d <= 0 {
		d = defaultTimeout
	}
	if c.HTTP != nil && c.HTTP.Timeout > 0 {
		d = min(d, c.HTTP.Timeout)
	}
	return d
}

func (c *Client) transport() http.RoundTripper {
	if c.HTTP != nil && c.HTTP.Transport != nil {
		return c.HTTP.Transport
	}
	return http.DefaultTransport
}

func (c *Client) scopes(asked []string) []string {
	if len(asked) > 0 {
		return asked
	}
	return c.Scopes
}

// String tells provider, client id and authentication style; the secret only by its length.
func (c Client) String() string {
	return fmt.Sprintf("client(%q at %q, %v, secret of %d bytes)", c.ID, c.shown(), c.Auth, len(c.Secret))
}

// Format prints [Client.String] for every verb.
func (c Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue logs [Client.String].
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON encodes [Client.String], so that a stray encoder leaks nothing.
func (c Client) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// String tells the names, never a value.
func (x Extra) String() string {
	return fmt.Sprintf("extra(params %q, headers %q)", slices.Sorted(maps.Keys(x.Params)), slices.Sorted(maps.Keys(x.Header)))
}

// Format prints [Extra.String] for every verb.
func (x Extra) Format(f fmt.State, _ rune) { fmt.Fprint(f, x.String()) }

// LogValue logs [Extra.String].
func (x Extra) LogValue() slog.Value { return slog.StringValue(x.String()) }

// MarshalJSON encodes [Extra.String].
func (x Extra) MarshalJSON() ([]byte, error) { return json.Marshal(x.String()) }
