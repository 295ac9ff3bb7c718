package authserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// Client is an application that may ask for tokens. It prints without its secret. The zero value, with Grants set, is
// the client of requests that name none: a login form of the application's own.
type Client struct {
	ID     string // its client_id
	Secret string // "" and no Keys: a public client, which must use PKCE and rotating refresh tokens
	Name   string // shown on the authorize page; "" means ID

	// Keys are the client's own public keys, in place of a Secret: it then signs an assertion for each request (RFC 7523,
	// private_key_jwt), made out to the Issuer alone.
	Keys jose.KeySource

	// DPoP binds the client's access tokens, and as a public client's its refresh tokens, to a key of its own: it proves in
	// each token request that it has the key, and is refused without (RFC 9449, dpop_bound_access_tokens).
	// [Server.Verify] refuses such access tokens, since a guard cannot see the proof: [Server.UserInfo] takes them, and
	// resource servers that check cnf.
	DPoP bool

	// RedirectURIs are where authorize answers may go, compared byte for byte (RFC 9700 section 4.1.3).
	RedirectURIs []string

	// Native lets the port of a registered http://127.0.0.1 or http://[::1] redirect URI vary (RFC 8252 section 7.3).
	Native bool

	// Grants are the grant types the client may use: authorization_code, refresh_token, password, client_credentials,
	// urn:ietf:params:oauth:grant-type:device_code, implicit; nil means the first two. Without refresh_token it gets no
	// refresh tokens. implicit (response_type=token) puts access tokens into URLs, and is there for partners who have
	// always had it (RFC 9700 section 2.1.2).
	Grants []string

	Scopes []string // all it may ask for; nil means its dialect's

	// ResourceServer lets the client introspect every client's access tokens; otherwise it sees its own only.
	ResourceServer bool

	Dialect *Dialect // how its token requests look; nil means the zero Dialect
}

// String tells the client's ID.
func (c Client) String() string { return fmt.Sprintf("client(%q)", c.ID) }

// Format prints [Client.String] for every verb.
func (c Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue logs [Client.String].
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON encodes [Client.String], so that a stray encoder leaks nothing.
func (c Client) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

const (
	grantCode        = "authorization_code"
	grantRefresh     = "refresh_token"
	grantPassword    = "password"
	grantCredentials = "client_credentials"
	grantImplicit    = "implicit" // of the authorize endpoint only
	grantDevice      = "urn:ietf:params:oauth:grant-type:device_code"
)

// client is a Client as used: a copy without its secret.
type client struct {
	Client
	d      *dialect
	state  json.RawMessage // of a token of its own, unspent
	secret [sha256.Size]byte
	public bool
}

func newClient(from *Client, d *dialect) *client {
	c := &client{Client: *from, d: d, secret: sha256.Sum256([]byte(from.Secret)), public: from.Secret == "" && from.Keys == nil}
	c.Client.Secret, c.state = "", state{Client: c.ID}.raw()
	c.RedirectURIs, c.Scopes = slices.Clone(c.RedirectURIs), slices.Clone(c.Scopes)
	c.Grants = slices.Clone(c.Grants)
	if c.Grants == nil {
		c.Grants = []string{grantCode, grantRefresh}
	}
	if c.Scopes == nil {
		c.Scopes = d.Scopes
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	return c
}

// stateWith is c.state of a pair whose user signed in at auth, and whose access token is bound to key, if known and bound.
func (c *client) stateWith(auth time.Time, key string) json.RawMessage {
	if auth.IsZero() && key == "" {
		return c.state
	}
	return state{Client: c.ID, Auth: auth, Key: key}.raw()
}

func (c *client) tokenType(key string) string {
	if key == "" {
		return c.d.TokenType
	}
	return "DPoP"
}

func (c *client) may(grant string) bool { return slices.Contains(c.Grants, grant) }

// methods are the ways in which the client may authenticate.
func (c *client) methods() []string {
	switch {
	case c.public:
		return []string{authNone}
	case c.Keys != nil:
		return []string{authAssertion}
	default:
		return slices.DeleteFunc([]string{authBasic, authPost}, func(m string) bool { return !c.d.allows(m) })
	}
}

// secretIs compares hashes, so that neither the time nor the length of the comparison depends on the secret.
func (c *client) secretIs(presented string) bool {
	sum := sha256.Sum256([]byte(presented))
	return subtle.ConstantTimeCompare(sum[:], c.secret[:]) == 1
}

func (c *client) faults() error {
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("authserver: client %q: "+format, append([]any{c.ID}, args...)...))
	}
	for _, g := range c.Grants {
		switch g {
		case grantCode, grantRefresh, grantPassword, grantCredentials, grantImplicit, grantDevice:
		default:
			add("Grants: unknown grant type %q", g)
		}
	}
	for _, scope := range c.Scopes {
		if !isScope(scope) {
			add("Scopes: %q is no scope token (RFC 6749 section 3.3)", scope)
		}
	}
	for _, uri := range c.RedirectURIs {
		if err := redirectFault(uri); err != nil {
			add("RedirectURIs: %w", err)
		}
	}
	if c.may(grantCode) || c.may(grantImplicit) {
		if c.ID == "" {
			add("a client without an ID cannot use the authorize endpoint")
		}
		if len(c.RedirectURIs) == 0 {
			add("RedirectURIs: the authorize endpoint needs one")
		}
	}
	if c.ID == "" && !c.public {
		add("a client without an ID cannot have a secret")
	}
	if c.Keys != nil && c.secret != sha256.Sum256(nil) {
		add("Keys: and a Secret, of which only one is needed")
	}
	if c.DPoP && (c.may(grantImplicit) || c.d.Reissue) {
		add("DPoP: neither an implicit nor a reissued token can be bound to a key")
	}
	switch {
	case c.public:
		if c.may(grantCredentials) {
			add("Grants: %s needs a Secret or Keys (RFC 6749 section 4.4)", grantCredentials)
		}
		if c.ResourceServer {
			add("ResourceServer: needs a Secret or Keys (RFC 7662 section 2.1)")
		}
		if c.may(grantRefresh) && c.d.Rotation == RotateNever {
			add("a public client needs rotating refresh tokens (RFC 9700 section 4.14.2)")
		}
		if !c.d.allows(authNone) {
			add("its dialect does not take the method %q, and it has no Secret", authNone)
		}
	case c.Keys == nil && !c.d.allows(authBasic) && !c.d.allows(authPost):
		add("its dialect takes no method that uses a Secret")
	case c.Keys != nil && !c.d.allows(authAssertion):
		add("its dialect does not take the method %q", authAssertion)
	}
	return errors.Join(errs...)
}
