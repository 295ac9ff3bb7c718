package grants

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

// DPoP binds a client's tokens to a key, so that a stolen one is worth nothing without it (RFC 9449). As Client.DPoP it
// proves possession in token and userinfo requests, and, through keeper's Client, in requests to resource servers.
//
// All replicas share one key, and it must outlive the grants: refresh tokens of public clients are bound to it as well.
// Write it as a literal and do not copy it; it may be used concurrently, by several Clients too. It prints nothing.
type DPoP struct {
	Key *jose.Signer // of a private key

	mu     sync.Mutex
	nonces map[string]string // the last that each origin asked for
}

const maxNonces = 64

func (d *DPoP) fault() error {
	if d != nil && (d.Key == nil || d.Key.JWK() == nil) {
		return errors.New("DPoP needs a Key that is private, not a secret")
	}
	return nil
}

// prove makes the proof for one request (section 4.2); token is the access token that goes with it, if any.
func (d *DPoP) prove(method string, to *url.URL, token string, now time.Time) (string, error) {
	if err := d.fault(); err != nil {
		return "", err
	}
	claims := map[string]any{
		"jti": rand.Text(), "htm": method, "htu": origin(to) + or(to.EscapedPath(), "/"), "iat": now.Unix(),
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	d.mu.Lock()
	nonce := d.nonces[origin(to)]
	d.mu.Unlock()
	if nonce != "" {
		claims["nonce"] = nonce
	}
	proof, err := d.Key.Sign(map[string]any{"typ": "dpop+jwt", "jwk": d.Key.JWK()}, claims)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSigning, err)
	}
	return proof, nil
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// remember notes the nonce that an answer brings for the next request (section 8.2).
func (d *DPoP) remember(from *url.URL, h http.Header) {
	nonce := h.Get("DPoP-Nonce")
	if !visible(nonce) || len(nonce) > 1<<10 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	server := origin(from)
	if _, known := d.nonces[server]; d.nonces == nil || !known && len(d.nonces) >= maxNonces {
		d.nonces = make(map[string]string)
	}
	d.nonces[server] = nonce
}

// wantsNonce reports whether an answer says that nothing but the nonce was wrong (section 8), so that the request was
// not carried out and may be sent once more.
func wantsNonce(status int, h http.Header, body []byte) bool {
	if !visible(h.Get("DPoP-Nonce")) {
		return false
	}
	switch status {
	case http.StatusBadRequest:
		code := ""
		eachMember(body, func(name, value []byte) {
			if string(name) == "error" {
				code = text(value)
			}
		})
		return code == UseDPoPNonce
	case http.StatusUnauthorized:
		return strings.Contains(strings.Join(h.Values("WWW-Authenticate"), ","), `error="`+UseDPoPNonce+`"`)
	}
	return false
}

func bound(tok store.Token) bool { return strings.EqualFold(tok.TokenType, "DPoP") }

var errNoDPoP = errors.New("the token is bound to a key (RFC 9449), but Client.DPoP is nil")

// Carry sends req with the record's token over next: as DPoP with a proof if the token is bound to the client's key
// (RFC 9449 section 7), otherwise as Bearer. If the server asks for a nonce the request is sent once more, provided
// that its body can be. It makes a Client what a keeper carries such tokens by; req is not changed.
func (c *Client) Carry(req *http.Request, rec *store.Record, next http.RoundTripper) (*http.Response, error) {
	if err := c.mine("carry", rec); err != nil {
		return nil, unsent(req, err)
	}
	resp, err := c.carry(req, rec.Token, next)
	if err != nil || !bound(rec.Token) || !wantsNonce(resp.StatusCode, resp.Header, nil) {
		return resp, err
	}
	again := rewound(req)
	if again == nil {
		return resp, nil
	}
	io.CopyN(io.Discard, resp.Body, 16<<10) //nolint:errcheck // lets the connection be used again if it can be
	resp.Body.Close()
	return c.carry(again, rec.Token, next)
}

// rewound returns req with its body from the start, or nil if that is gone.
func rewound(req *http.Request) *http.Request {
	again := *req
	if req.Body == nil || req.Body == http.NoBody {
		return &again
	}
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	again.Body = body
	return &again
}

func (c *Client) carry(req *http.Request, tok store.Token, next http.RoundTripper) (*http.Response, error) {
	out := *req
	if out.Header = req.Header.Clone(); out.Header == nil {
		out.Header = make(http.Header, 2)
	}
	if !bound(tok) {
		out.Header.Set("Authorization", "Bearer "+tok.AccessToken)
		return next.RoundTrip(&out)
	}
	q := &call{what: "carry"}
	if c.DPoP == nil {
		return nil, unsent(req, c.misconfigured(q, errNoDPoP))
	}
	proof, err := c.DPoP.prove(or(req.Method, http.MethodGet), req.URL, tok.AccessToken, c.now())
	if err != nil {
		return nil, unsent(req, c.unprepared(q, err))
	}
	out.Header.Set("Authorization", "DPoP "+tok.AccessToken)
	out.Header.Set("DPoP", proof)
	resp, err := next.RoundTrip(&out)
	if err == nil {
		c.DPoP.remember(req.URL, resp.Header)
	}
	return resp, err
}

// unsent closes the body, as a RoundTripper must.
func unsent(req *http.Request, err error) error {
	if req.Body != nil {
		req.Body.Close()
	}
	return err
}

// Carry is [Client.Carry] of the record's provider.
func (cs Clients) Carry(req *http.Request, rec *store.Record, next http.RoundTripper) (*http.Response, error) {
	c, err := cs.of("carry", rec)
	if err != nil {
		return nil, unsent(req, err)
	}
	return c.Carry(req, rec, next)
}

// String tells nothing but the type.
func (d *DPoP) String() string { return "dpop" }

// Format prints [DPoP.String] for every verb.
func (d *DPoP) Format(f fmt.State, _ rune) { fmt.Fprint(f, d.String()) }

// LogValue logs [DPoP.String].
func (d *DPoP) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalJSON encodes [DPoP.String].
func (d *DPoP) MarshalJSON() ([]byte, error) { return []byte(`"dpop"`), nil }
