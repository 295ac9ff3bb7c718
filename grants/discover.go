package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

// metadata is what this package understands of a server's metadata (RFC 8414 section 2, OpenID Connect Discovery).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorize     string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Revoke        string   `json:"revocation_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Introspect    string   `json:"introspection_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	PAR           string   `json:"pushed_authorization_request_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	IssInResponse bool     `json:"authorization_response_iss_parameter_supported"`

	Aliases json.RawMessage `json:"mtls_endpoint_aliases"` // RFC 8705 section 5
}

// Discover returns a copy of c with the endpoints filled in that the metadata of c.Issuer names and c leaves empty
// (RFC 8414; where that is not found, OpenID Connect Discovery), and its Keys. Whether callbacks name the issuer is
// taken from there as well, and a client that has not chosen how to authenticate posts its secret if the server does
// not offer Basic.
//
// The document must name exactly c.Issuer, and its endpoints must be https, or on the issuer's own loopback host. Keep
// the result: each call asks anew. Keys is a *jose.Remote then, whose Close ends a fetch under way.
func Discover(ctx context.Context, c *Client) (*Client, error) {
	if c.Issuer == "" {
		return nil, c.misconfigured(&call{what: "discovery"}, errors.New("Issuer is empty"))
	}
	var q *call
	var ans *answer
	for _, at := range wellKnown(c.Issuer) {
		var err error
		if q, ans, err = c.get(ctx, "discovery", "Issuer", at, store.Token{}); err != nil {
			return nil, err
		}
		if ans.status != http.StatusNotFound {
			break
		}
	}
	if ans.status >= 300 {
		return nil, c.refused(q, ans)
	}
	m := exactMetadata(ans.body)
	if m == nil {
		return nil, c.fail(q, ans, ProtocolError, errors.New("the metadata cannot be read"))
	}
	if m.Issuer != c.Issuer {
		return nil, c.fail(q, ans, ProtocolError, fmt.Errorf("the metadata is of the issuer %q", bounded(m.Issuer, 200)))
	}
	d := *c
	if err := d.fill(m); err != nil {
		return nil, c.fail(q, ans, ProtocolError, fmt.Errorf("the metadata is not acceptable: %w", err))
	}
	return &d, nil
}

// wellKnown returns where an issuer's metadata is: RFC 8414 section 3.1 inserts the path, OpenID Connect appends to it.
func wellKnown(issuer string) []string {
	base, path := strings.TrimSuffix(issuer, "/"), ""
	if i := strings.Index(base, "://"); i >= 0 {
		if j := strings.IndexByte(base[i+3:], '/'); j >= 0 {
			base, path = base[:i+3+j], base[i+3+j:]
		}
	}
	return []string{
		base + "/.well-known/oauth-authorization-server" + path,
		base + path + "/.well-known/openid-configuration",
	}
}

// exactMetadata reads the document with member names compared byte for byte, as encoding/json alone does not.
func exactMetadata(body []byte) *metadata {
	known := map[string]json.RawMessage{}
	names := []string{
		"issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint",
		"introspection_endpoint", "device_authorization_endpoint", "pushed_authorization_request_endpoint",
		"end_session_endpoint", "jwks_uri", "token_endpoint_auth_methods_supported",
		"authorization_response_iss_parameter_supported", "mtls_endpoint_aliases",
	}
	ok := eachMember(body, func(name, value []byte) {
		if slices.Contains(names, string(name)) && !null(value) {
			known[string(name)] = value
		}
	})
	if !ok {
		return nil
	}
	b, err := json.Marshal(known)
	var m metadata
	if err != nil || json.Unmarshal(b, &m) != nil {
		return nil
	}
	return &m
}

func (c *Client) fill(m *metadata) error {
	issuer, err := c.endpoint("Issuer", c.Issuer)
	if err != nil {
		return err
	}
	if c.Auth == TLSClientAuth {
		m.withAliases()
	}
	var faults []error
	for _, e := range []struct {
		field string
		into  *string
		from  string
	}{
		{"AuthorizeURL", &c.AuthorizeURL, m.Authorize},
		{"TokenURL", &c.TokenURL, m.Token},
		{"RevokeURL", &c.RevokeURL, m.Revoke},
		{"UserInfoURL", &c.UserInfoURL, m.UserInfo},
		{"IntrospectURL", &c.IntrospectURL, m.Introspect},
		{"DeviceURL", &c.DeviceURL, m.Device},
		{"PARURL", &c.PARURL, m.PAR},
		{"EndSessionURL", &c.EndSessionURL, m.EndSession},
	} {
		if *e.into != "" || e.from == "" {
			continue
		}
		if err := c.discovered(issuer, e.field, e.from); err != nil {
			faults = append(faults, err)
			continue
		}
		*e.into = e.from
	}
	c.RequireIss = c.RequireIss || m.IssInResponse
	return errors.Join(append(faults, c.chooseAuth(m.AuthMethods), c.chooseKeys(issuer, m.JWKS))...)
}

// discovered says why an endpoint that metadata names is not acceptable.
func (c *Client) discovered(issuer *url.URL, field, raw string) error {
	u, err := c.endpoint(field, raw)
	if err == nil && u.Scheme == "http" && (issuer.Scheme != "http" || u.Hostname() != issuer.Hostname()) {
		err = fmt.Errorf("%s: plain http on another host", field)
	}
	return err
}

// chooseKeys takes the server's keys unless the client has some. Nothing is fetched before the first ID token.
func (c *Client) chooseKeys(issuer *url.URL, at string) error {
	if c.Keys != nil || at == "" {
		return nil
	}
	if err := c.discovered(issuer, "jwks_uri", at); err != nil {
		return err
	}
	keys, err := jose.NewRemote(at, &jose.RemoteOptions{HTTP: c.HTTP, Now: c.Now, InsecureAllowHTTP: c.InsecureAllowHTTP})
	if err != nil {
		return err
	}
	c.Keys = keys
	return nil
}

// withAliases replaces the endpoints that take client certificates at an address of their own.
func (m *metadata) withAliases() {
	a := exactMetadata(m.Aliases)
	if a == nil {
		return
	}
	for _, e := range []struct {
		into *string
		from string
	}{
		{&m.Token, a.Token}, {&m.Revoke, a.Revoke}, {&m.Introspect, a.Introspect}, {&m.Device, a.Device}, {&m.PAR, a.PAR},
		{&m.UserInfo, a.UserInfo},
	} {
		if e.from != "" {
			*e.into = e.from
		}
	}
}

// chooseAuth replaces the default style where the server says that it does not take it. What was chosen stays.
func (c *Client) chooseAuth(methods []string) error {
	if c.Auth != ClientSecretBasic || len(methods) == 0 || slices.Contains(methods, "client_secret_basic") {
		return nil
	}
	if !slices.Contains(methods, "client_secret_post") {
		return fmt.Errorf("the server takes %q, but neither client_secret_basic nor client_secret_post", methods)
	}
	c.Auth = ClientSecretPost
	return nil
}

// LogoutURL is where to send a browser that is to be logged out at the server as well (OpenID Connect RP-Initiated
// Logout). to is where the server sends it afterwards, registered there; empty: nowhere. Empty if there is no
// EndSessionURL.
func (c *Client) LogoutURL(tok store.Token, to string) string {
	if _, err := c.endpoint("EndSessionURL", c.EndSessionURL); err != nil {
		return ""
	}
	p := params{{"client_id", c.ID}}
	if tok.IDToken != "" {
		p = append(p, param{"id_token_hint", tok.IDToken})
	}
	if to != "" {
		p = append(p, param{"post_logout_redirect_uri", to})
	}
	return withQuery(c.EndSessionURL, p)
}
