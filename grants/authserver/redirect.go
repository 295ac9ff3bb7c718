package authserver

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// redirectFault tells what is wrong with a redirect URI to be registered.
func redirectFault(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return errors.New("a URI that does not parse") // url.Error would quote it, query and all
	case !u.IsAbs() || (u.Host == "" && u.Scheme == "http") || (u.Host == "" && u.Scheme == "https"):
		return fmt.Errorf("%q is not absolute", uri)
	case u.Fragment != "" || strings.Contains(uri, "#"):
		return fmt.Errorf("%q has a fragment (RFC 6749 section 3.1.2)", uri)
	case u.User != nil:
		return fmt.Errorf("the URI for host %q holds user information", u.Host)
	case u.Scheme == "javascript" || u.Scheme == "data" || u.Scheme == "vbscript" || u.Scheme == "file":
		return fmt.Errorf("scheme %q is not for redirects", u.Scheme)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fmt.Errorf("%q is http beyond loopback (RFC 9700 section 2.6)", uri)
	}
	for _, r := range uri {
		if r <= ' ' || r >= 0x7f {
			return fmt.Errorf("%q holds a character that must be escaped", uri)
		}
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}

// redirectTo returns where an answer may go that asked for uri: byte for byte one that is registered. No URI is parsed
// here: every parser differs from the browser's somewhere, and an attacker looks for that place.
func (c *client) redirectTo(uri string) (string, bool) {
	if uri == "" {
		if len(c.RedirectURIs) == 1 { // RFC 6749 section 3.1.2.3
			return c.RedirectURIs[0], true
		}
		return "", false
	}
	for _, registered := range c.RedirectURIs {
		if uri == registered || (c.Native && equalButPort(uri, registered)) {
			return uri, true
		}
	}
	return "", false
}

// equalButPort compares two loopback URIs without their ports (RFC 8252 section 7.3: any port, chosen by the system at
// the time of the request). Only IP literals count: localhost may be anybody's.
func equalButPort(a, b string) bool {
	for _, loopback := range []string{"http://127.0.0.1", "http://[::1]"} {
		restA, okA := strings.CutPrefix(a, loopback)
		restB, okB := strings.CutPrefix(b, loopback)
		if okA && okB {
			restA, okA = cutPort(restA)
			restB, okB = cutPort(restB)
			return okA && okB && restA == restB
		}
	}
	return false
}

// cutPort removes a port from the start of rest and demands that the authority ends there.
func cutPort(rest string) (string, bool) {
	if after, ok := strings.CutPrefix(rest, ":"); ok {
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		if n, err := strconv.ParseUint(after[:digits], 10, 16); err != nil || n == 0 {
			return "", false
		}
		rest = after[digits:]
	}
	return rest, rest == "" || rest[0] == '/' || rest[0] == '?'
}

// withQuery adds values to uri's query and leaves the rest of it alone.
func withQuery(uri string, values url.Values) string {
	switch {
	case !strings.Contains(uri, "?"):
		return uri + "?" + values.Encode()
	case strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&"):
		return uri + values.Encode()
	default:
		return uri + "&" + values.Encode()
	}
}

// hostOf returns what to show users of a registered URI: its host, or an app's scheme.
func hostOf(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Host == "":
		return u.Scheme + ":"
	default:
		return u.Host
	}
}
