package grants

import (
	"context"

	"github.com/tokenkeep/tokenkeep/store"
)

// Challenge is the S256 transformation of RFC 7636.
var Challenge = challenge

// WellKnown returns where an issuer's metadata is looked for.
var WellKnown = wellKnown

// Endpoints returns all URL fields.
func Endpoints(c *Client) (urls []string) {
	for _, e := range c.endpoints() {
		urls = append(urls, e.url)
	}
	return urls
}

// Read parses a token answer of status 200, as after a request.
func Read(c *Client, body []byte) (store.Token, error) {
	return c.read(&call{what: "password"}, &answer{status: 200, body: body, asked: c.now()}, nil)
}

// Public reports whether PublicTransport connects to an address.
var Public = public

// PublicTransportVia is PublicTransport with a resolver of the test's own.
var PublicTransportVia = publicTransport

// Nonces is how many nonces are remembered.
func Nonces(d *DPoP) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.nonces)
}

// PublicOnly says why PublicTransport would not connect to an address and port.
func PublicOnly(address string) error { return publicOnly(context.Background(), "tcp", address, nil) }
