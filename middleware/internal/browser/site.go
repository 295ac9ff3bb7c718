// Package browser holds the rules between a site and its browsers, so that guard, login and logout cannot disagree:
// what cookies are called and carry (RFC 6265bis), and which requests come from the site's own pages.
package browser

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Config is what a site may choose.
type Config struct {
	Name                 string // of the session cookie, without prefix; letters, digits, "_" and "."
	Origin               string // the site's own, such as "https://app.example"; empty: not known
	SameSite             http.SameSite
	InsecureLoopbackHTTP bool // plain http on a loopback host: no __Host- prefix, no Secure
}

// Site is a checked Config. It is safe for concurrent use.
type Site struct {
	Cookie string // the session cookie's whole name
	Bound  string // what sealed values are bound to: the cookie's name and the origin

	origin   string
	sameSite string
	insecure bool
	csrf     http.CrossOriginProtection
}

// New checks c and reports all faults at once.
func New(c Config) (*Site, error) {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Name == "" {
		c.Name = "session"
	}
	if !isName(c.Name) {
		fault("Name has other characters than letters, digits, _ and ., or more than 32: %q", c.Name)
	}
	s := &Site{origin: c.Origin, sameSite: "Lax", insecure: c.InsecureLoopbackHTTP}
	switch c.SameSite {
	case 0, http.SameSiteDefaultMode, http.SameSiteLaxMode:
	case http.SameSiteStrictMode:
		s.sameSite = "Strict"
	default:
		fault("SameSite must be Lax or Strict")
	}
	scheme, loopback, err := parseOrigin(c.Origin)
	switch {
	case err != nil:
		errs = append(errs, err)
	case c.InsecureLoopbackHTTP && (scheme != "http" || !loopback):
		fault("InsecureLoopbackHTTP needs an Origin such as http://127.0.0.1:8080, not %q", c.Origin)
	case scheme == "http" && !c.InsecureLoopbackHTTP:
		fault("Origin is not https: %q (InsecureLoopbackHTTP allows http on a loopback host)", c.Origin)
	}
	s.Cookie = "__Host-" + c.Name
	if c.InsecureLoopbackHTTP {
		s.Cookie = c.Name
	}
	s.Bound = s.Cookie + "\n" + c.Origin
	return s, errors.Join(errs...)
}

// isName keeps out what would need quoting, and "-", which sets a cookie's parts and flows apart from its name.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.') {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

func parseOrigin(origin string) (scheme string, loopback bool, err error) {
	if origin == "" {
		return "", false, nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+strings.ToLower(u.Host) != origin || u.Scheme != "https" && u.Scheme != "http" {
		return "", false, fmt.Errorf("Origin is none, such as https://app.example in lower case: %q", origin)
	}
	return u.Scheme, isLoopback(u.Hostname()), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var errForeign = errors.New("the request comes from another origin")

// CheckOrigin refuses a request that another origin's page made, if it changes state or wants a connection of its own.
// It is http.CrossOriginProtection, and for browsers without Sec-Fetch-Site it looks at the scheme too, which that cannot
// know: a page of http://app.example is not one of https://app.example.
func (s *Site) CheckOrigin(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if r.Header.Get("Upgrade") == "" {
			return nil
		}
		// A WebSocket begins with a GET that any page may send, a sibling's with our cookie, and what goes through it is
		// checked no more (RFC 6455 section 10.2). To CrossOriginProtection it is no safe method either.
		upgrade := *r
		upgrade.Method = http.MethodConnect
		r = &upgrade
	}
	origin := r.Header.Get("Origin")
	if origin == "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return s.csrf.Check(r)
	}
	if s.origin != "" {
		if origin != s.origin {
			return errForeign
		}
		return nil
	}
	if err := s.csrf.Check(r); err != nil {
		return err
	}
	if scheme, loopback, err := parseOrigin(origin); err != nil || scheme != "https" && !loopback {
		return errForeign
	}
	return nil
}

// reaches says whether cookies count at all: without Secure they do only where no network is in between, whatever name
// was rebound to the loopback address.
func (s *Site) reaches(r *http.Request) bool {
	if !s.insecure {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return isLoopback(strings.Trim(host, "[]"))
}
