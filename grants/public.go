package grants

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// PublicTransport returns a transport that connects to public addresses only: for a Client whose Issuer or endpoints
// were named by somebody else, a user or another server, who could otherwise have this process ask its own network
// (server-side request forgery). Each address is judged when it is connected to, after DNS, so a name that resolves
// differently the second time gains nothing. Proxies of the environment are not used.
//
// A Client whose endpoints are configured does without: no request or answer changes where it sends to.
func PublicTransport() *http.Transport { return publicTransport(nil) }

func publicTransport(names *net.Resolver) *http.Transport {
	d := &net.Dialer{Timeout: defaultTimeout, KeepAlive: 30 * time.Second, Resolver: names, ControlContext: publicOnly}
	return &http.Transport{
		DialContext: d.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: defaultTimeout, IdleConnTimeout: 90 * time.Second,
		MaxIdleConns: 100, MaxResponseHeaderBytes: 256 << 10,
	}
}

// publicOnly runs before each connection is made, with the address that the name resolved to.
func publicOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !public(to.Addr()) {
		return fmt.Errorf("grants: %s is not a public address", bounded(address, 100))
	}
	return nil
}

func public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() &&
		!slices.ContainsFunc(notPublic[:], func(p netip.Prefix) bool { return p.Contains(a) })
}

// notPublic are the global-looking networks that are not, or that lead to such: shared address space, protocol
// assignments, benchmarks, documentation, reserved addresses, a cloud's own services, and IPv6 forms that hold IPv4.
var notPublic = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("fec0::/10"),
}
