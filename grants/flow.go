package grants

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Flow is one authorization request on its way through a browser (RFC 6749 section 4.1): all that the callback will be
// checked against. [Client.AuthorizationCode] makes it, [Client.Exchange] consumes it; [Client.Implicit] and
// [Client.ImplicitToken] do for the implicit grant.
//
// Between the two it must be bound to the browser that began, kept from reading and change, and used once: weblogin
// seals it into a cookie. For that it encodes to JSON as it is; everywhere else it prints redacted.
type Flow struct {
	URL string `json:"-"` // where to send the browser

	Provider    string    `json:"provider,omitempty"`
	Issuer      string    `json:"issuer,omitempty"`
	State       string    `json:"state"`
	Verifier    string    `json:"verifier,omitempty"` // of PKCE (RFC 7636)
	Nonce       string    `json:"nonce,omitempty"`    // of OpenID Connect; set if the scopes have "openid"
	MaxAge      string    `json:"max_age,omitempty"`  // in seconds, if the request had one; the ID token must keep to it
	RedirectURI string    `json:"redirect_uri,omitempty"`
	Scopes      []string  `json:"scopes,omitempty"`
	Implicit    bool      `json:"implicit,omitempty"` // the answer is a fragment, for ImplicitToken
	Expires     time.Time `json:"expires"`
}

// FlowOptions are one authorization request's own settings. Nil and the zero value mean those of the Client.
type FlowOptions struct {
	Scopes      []string            // instead of the Client's
	RedirectURI string              // another registered one
	Params      map[string][]string // for this request: login_hint, prompt, … They go before Client.Extra.
}

const flowLife = 10 * time.Minute

// AuthorizationCode begins a login (RFC 6749 section 4.1): send the browser to the Flow's URL. State (130 random bits),
// PKCE verifier (256, S256) and, for OpenID Connect, a nonce are made here and belong to this flow alone. It is good
// for ten minutes.
func (c *Client) AuthorizationCode(ctx context.Context, o *FlowOptions) (*Flow, error) {
	q := &call{what: "authorize"}
	if err := ctx.Err(); err != nil {
		return nil, c.neverSent(q, context.Cause(ctx))
	}
	f, p, err := c.begin("code", o)
	if err != nil {
		return nil, c.misconfigured(q, err)
	}
	if c.PARURL != "" {
		if p, err = c.push(ctx, p); err != nil {
			return nil, err
		}
	}
	f.URL = withQuery(c.AuthorizeURL, p)
	return f, nil
}

// push sends the request ahead (RFC 9126) and returns the parameters that refer to it.
func (c *Client) push(ctx context.Context, p params) (params, error) {
	q, ans, err := c.post(ctx, "par", "PARURL", c.PARURL, p)
	if err != nil {
		return nil, err
	}
	if ans.status >= 300 {
		return nil, c.refused(q, ans)
	}
	uri := ""
	eachMember(ans.body, func(name, value []byte) {
		if string(name) == "request_uri" {
			uri = text(value)
		}
	})
	if !visible(uri) {
		return nil, c.fail(q, ans, ProtocolError, errors.New("the answer has no request_uri"))
	}
	return params{{"client_id", c.ID}, {"request_uri", uri}}, nil
}

// begin makes a flow and the parameters that announce it.
func (c *Client) begin(response string, o *FlowOptions) (*Flow, params, error) {
	if o == nil {
		o = &FlowOptions{}
	}
	f := &Flow{
		Provider: c.provider(), Issuer: c.Issuer, State: rand.Text(), RedirectURI: c.RedirectURI,
		Scopes: slices.Clone(c.scopes(o.Scopes)), Expires: c.now().Add(flowLife),
	}
	if o.RedirectURI != "" {
		f.RedirectURI = o.RedirectURI
	}
	if err := c.beginFault(f, o); err != nil {
		return nil, nil, err
	}
	p := make(params, 0, 12)
	p = append(p, param{"response_type", response}, param{"client_id", c.ID})
	if f.RedirectURI != "" {
		p = append(p, param{"redirect_uri", f.RedirectURI})
	}
	p = append(p.scope(f.Scopes), param{"state", f.State})
	if response == "code" && !c.InsecureNoPKCE {
		f.Verifier = newVerifier()
		p = append(p, param{"code_challenge", challenge(f.Verifier)}, param{"code_challenge_method", "S256"})
	}
	if slices.Contains(f.Scopes, "openid") {
		f.Nonce = rand.Text()
		p = append(p, param{"nonce", f.Nonce})
	}
	if response == "code" && c.DPoP != nil {
		p = append(p, param{"dpop_jkt", c.DPoP.Key.Thumbprint()}) // RFC 9449 section 10: nobody else can use the code
	}
	p = p.extra(c.Extra["authorize"].Params).extra(o.Params)
	f.MaxAge = p.value("max_age")
	return f, p, nil
}

func (c *Client) beginFault(f *Flow, o *FlowOptions) error {
	var faults []error
	_, err := c.endpoint("AuthorizeURL", c.AuthorizeURL)
	faults = append(faults, err, c.redirectFault(f.RedirectURI), c.Extra["authorize"].fault("authorize"), c.DPoP.fault())
	if err := (Extra{Params: o.Params}).fault("authorize"); err != nil {
		faults = append(faults, fmt.Errorf("FlowOptions: %w", err))
	}
	if c.ID == "" {
		faults = append(faults, errors.New("ID is empty"))
	}
	if c.OwnAccount {
		faults = append(faults, errOwnAccount)
	}
	if c.InsecureNoPKCE && c.InsecureNoState {
		faults = append(faults, errors.New("neither PKCE nor state would bind the callback to this flow"))
	}
	return errors.Join(faults...)
}

// withQuery appends parameters to a URL without touching what is there.
func withQuery(to string, p params) string {
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	return to + sep + p.form()
}

// newVerifier returns 256 random bits in the alphabet of RFC 7636 section 4.1.
func newVerifier() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: the process dies first
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// verifierOK checks the grammar of RFC 7636 section 4.1.
func verifierOK(v string) bool {
	if len(v) < 43 || len(v) > 128 {
		return false
	}
	for i := range len(v) {
		c := v[i]
		alnum := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !alnum && !strings.ContainsRune("-._~", rune(c)) {
			return false
		}
	}
	return true
}

// String tells provider and expiry, never state, verifier or nonce.
func (f Flow) String() string {
	return fmt.Sprintf("flow(at %q, until %s)", shownName(f.Provider), f.Expires.UTC().Format(time.RFC3339))
}

// Format prints [Flow.String] for every verb.
func (f Flow) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.String()) }

// LogValue logs [Flow.String].
func (f Flow) LogValue() slog.Value { return slog.StringValue(f.String()) }
