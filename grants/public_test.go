package grants_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1:248:1893:25c8:1946": true, "172.32.0.1": true, "100.128.0.1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false, "0.1.2.3": false,
		"10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "fd00:ec2::254": false, "169.254.169.254": false, "fe80::1": false,
		"100.100.100.200": false, "192.0.0.192": false, "168.63.129.16": false, "224.0.0.1": false, "255.255.255.255": false,
		"198.18.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:0:1::": false, "::7f00:1": false, "fec0::1": false,
		"::ffff:10.0.0.1": false, "::ffff:100.64.0.1": false, "fe80::1%eth0": false, "2606:2800::1%eth0": false,
	} {
		if got := grants.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestPublicPorts(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"93.184.216.34:443": true, "[2606:2800:220:1:248:1893:25c8:1946]:443": true, "127.0.0.1:443": false, "[fe80::1%eth0]:443": false,
		"as.example:443": false, "/run/as.sock": false, "": false,
	} {
		if err := grants.PublicOnly(address); (err == nil) != want {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
	}
}

// A name that is public when it is looked at and loopback when it is connected to leads nowhere.
func TestRebindingIsRefusedAtDial(t *testing.T) {
	t.Parallel()
	inside := answering(t, 200, okBody)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(inside.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	names := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go answerDNS(there, &asked)
		return here, nil
	}}
	first, err := names.LookupNetIP(t.Context(), "ip4", "as.rebind.example.")
	if err != nil || len(first) != 1 || !grants.Public(first[0]) {
		t.Fatal(first, err)
	}
	c := &grants.Client{
		TokenURL: "https://as.rebind.example.:" + port + "/token", ID: "id", Secret: "s", HTTP: &http.Client{Transport: grants.PublicTransportVia(names)},
	}
	_, err = c.Password(t.Context(), "u", "p")
	var e *grants.Error
	if !errors.As(err, &e) || e.Outcome() != keeper.RetryLater || !strings.Contains(err.Error(), "127.0.0.1:"+port+" is not a public address") {
		t.Errorf("%v", err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		c := &grants.Client{Issuer: "http://" + host + ":" + port, ID: "id", Secret: "s", HTTP: &http.Client{Transport: grants.PublicTransport()}}
		if _, err := grants.Discover(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not a public address") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := len(inside.requests()); n != 0 || asked.Load() < 2 {
		t.Errorf("%d requests arrived, %d names were asked for", n, asked.Load())
	}
}

// answerDNS answers queries over TCP: the first says a public address, later ones say loopback.
func answerDNS(conn net.Conn, asked *atomic.Int32) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, q); err != nil {
			return
		}
		end := 12
		for q[end] != 0 {
			end += int(q[end]) + 1
		}
		question := q[12 : end+5]
		a := append(q[:2:2], 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0)
		a = append(a, question...)
		if question[len(question)-3] == 1 { // type A
			a[7] = 1
			ip := []byte{127, 0, 0, 1}
			if asked.Add(1) == 1 {
				ip = []byte{93, 184, 216, 34}
			}
			a = append(append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip...)
		}
		conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
	}
}

// A Client sends where it is configured to, whatever a callback, an answer or a record names.
func TestHostsComeFromConfigurationOnly(t *testing.T) {
	t.Parallel()
	evil := answering(t, 200, okBody)
	s := answering(t, 200, `{"access_token":"AT","iss":"`+evil.URL+`","token_endpoint":"`+evil.URL+`/token","userinfo_endpoint":"`+evil.URL+`"}`)
	c := s.client()
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Exchange(t.Context(), f, query(t, "?"+"code=C&state="+f.State+"&token_endpoint="+evil.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Exchange(t.Context(), f, query(t, "?"+"code=C&state="+f.State+"&iss="+evil.URL)); !errors.Is(err, grants.ErrCallback) {
		t.Error(err)
	}
	if n := len(evil.requests()); n != 0 {
		t.Errorf("the other host saw %d requests", n)
	}
	s.only(t)
}
