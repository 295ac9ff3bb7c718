package grants

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Validate reports all faults of the configuration at once (errors.Join), each naming its field; nil if there is none.
// What is empty is not a fault until a method needs it, except the way the client authenticates.
func (c *Client) Validate() error {
	var faults []error
	add := func(err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("grants: client %q: %w", c.shown(), err))
		}
	}
	if c.provider() == "" {
		add(errors.New("Provider, Issuer and TokenURL are all empty"))
	}
	add(c.authFault())
	add(c.DPoP.fault())
	for _, e := range c.endpoints() {
		if e.url != "" {
			_, err := c.endpoint(e.field, e.url)
			add(err)
		}
	}
	if c.Issuer != "" {
		_, err := c.endpoint("Issuer", c.Issuer)
		add(err)
	} else if c.RequireIss {
		add(errors.New("RequireIss needs Issuer"))
	}
	if c.Keys != nil && c.Issuer == "" {
		add(errors.New("Keys needs Issuer"))
	} else if c.Keys != nil && c.ID != "" {
		add(c.idVerifier().Validate())
	}
	add(c.redirectFault(c.RedirectURI))
	for key, x := range c.Extra {
		add(x.fault(key))
	}
	if slices.Contains(c.Scopes, "") || strings.ContainsAny(strings.Join(c.Scopes, ""), " \t\r\n") {
		add(fmt.Errorf("Scopes %q: each is one word", c.Scopes))
	}
	if c.InsecureNoPKCE && c.InsecureNoState {
		add(errors.New("InsecureNoPKCE and InsecureNoState together leave nothing that binds a callback to its flow"))
	}
	for code, class := range c.Codes {
		if !class.known() {
			add(fmt.Errorf("Codes[%q] is no Class: %q", code, class))
		}
	}
	if c.DefaultTTL < 0 || c.Timeout < 0 {
		add(fmt.Errorf("DefaultTTL %v, Timeout %v: neither can be negative", c.DefaultTTL, c.Timeout))
	}
	return errors.Join(faults...)
}

type namedURL struct{ field, url string }

func (c *Client) endpoints() []namedURL {
	return []namedURL{
		{"AuthorizeURL", c.AuthorizeURL},
		{"TokenURL", c.TokenURL},
		{"RevokeURL", c.RevokeURL},
		{"UserInfoURL", c.UserInfoURL},
		{"IntrospectURL", c.IntrospectURL},
		{"DeviceURL", c.DeviceURL},
		{"PARURL", c.PARURL},
		{"EndSessionURL", c.EndSessionURL},
	}
}

// endpoint parses a configured URL and refuses one that cannot be trusted with a secret or cannot be sent as written.
func (c *Client) endpoint(field, raw string) (*url.URL, error) {
	if raw == "" {
		return nil, fmt.Errorf("%s is empty", field)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: not a URL: %w", field, stripURL(err))
	}
	switch {
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%s %q: not an absolute URL", field, cleanURL(u))
	case u.User != nil:
		return nil, fmt.Errorf("%s %q: has a user or password in it", field, cleanURL(u))
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%s %q: has a fragment", field, cleanURL(u))
	case u.Scheme == "https":
	case u.Scheme == "http" && (c.InsecureAllowHTTP || loopback(u.Hostname())):
	default:
		return nil, fmt.Errorf("%s %q: must be https (http only for loopback hosts)", field, cleanURL(u))
	}
	if u.Path != "" && !strings.HasSuffix(raw, u.RequestURI()) {
		return nil, fmt.Errorf("%s %q: has characters that a URL must escape", field, cleanURL(u))
	}
	return u, nil
}

// redirectFault checks the shape of a redirect URI. Native applications have schemes of their own (RFC 8252).
func (c *Client) redirectFault(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("RedirectURI: not a URL: %w", stripURL(err))
	case u.Scheme == "":
		return fmt.Errorf("RedirectURI %q: not an absolute URL", cleanURL(u))
	case strings.Contains(raw, "#"):
		return fmt.Errorf("RedirectURI %q: has a fragment (RFC 6749 section 3.1.2)", cleanURL(u))
	case u.Scheme == "http" && !c.InsecureAllowHTTP && !loopback(u.Hostname()):
		return fmt.Errorf("RedirectURI %q: must be https (http only for loopback hosts)", cleanURL(u))
	}
	return nil
}

// reserved parameters are the protocol's own: an Extra that sets one undoes a check or leaks a secret.
var reserved = [...]string{
	"response_type", "state", "nonce", "code_challenge", "code_challenge_method", "grant_type", "code", "code_verifier",
	"username", "password", "refresh_token", "client_secret", "client_assertion", "client_assertion_type",
	"dpop_jkt",
}

func (x Extra) fault(key string) error {
	for _, name := range reserved {
		if _, set := x.Params[name]; set {
			return fmt.Errorf("Extra[%q] sets %s, which is the client's own", key, name)
		}
	}
	if key == "authorize" {
		if len(x.Header) > 0 {
			return errors.New(`Extra["authorize"] has headers, but that request is the browser's`)
		}
		for _, name := range []string{"client_id", "redirect_uri", "scope"} {
			if _, set := x.Params[name]; set {
				return fmt.Errorf("Extra[%q] sets %s, which is a field of its own", key, name)
			}
		}
	}
	for name := range x.Header {
		if strings.EqualFold(name, "Authorization") {
			return fmt.Errorf("Extra[%q] sets Authorization, which is the client's own", key)
		}
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// cleanURL is a URL as errors may show it: no user, query or fragment.
func cleanURL(u *url.URL) string {
	v := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, Opaque: u.Opaque}
	return bounded(v.String(), 200)
}
