package grants

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ClientAuth is how a client proves who it is (RFC 6749 section 2.3). It is configuration: a style is never found out
// by trying, since the attempt would spend the code or the refresh token. It applies to the token, revocation and
// every other endpoint where the client authenticates.
type ClientAuth uint8

const (
	// ClientSecretBasic is HTTP Basic with id and secret form-encoded, as RFC 6749 section 2.3.1 has it. The unreserved
	// characters - . _ ~ stay as they are.
	ClientSecretBasic ClientAuth = iota
	// ClientSecretBasicRaw is HTTP Basic with id and secret as they are (RFC 7617), which about half of the servers
	// expect. The two differ only for secrets with special characters. The id must have no ':'; the secret may be empty.
	ClientSecretBasicRaw
	// ClientSecretPost puts client_id and client_secret into the body, in the client's Encoding.
	ClientSecretPost
	// ClientSecretJSON is ClientSecretPost with JSON bodies, whatever Encoding says.
	ClientSecretJSON
	// PrivateKeyJWT signs an assertion with the client's Signer for every request (RFC 7523 section 2.2).
	PrivateKeyJWT
	// ClientSecretJWT signs it with the Secret, by HS256: the secret must have 32 bytes or more.
	ClientSecretJWT
	// TLSClientAuth is the client certificate in HTTP's transport, with client_id in the body: tls_client_auth and
	// self_signed_tls_client_auth (RFC 8705 section 2). Discover then takes the server's mtls_endpoint_aliases.
	TLSClientAuth
	// None is for public clients: client_id in the body (unless ID is empty) and no proof.
	None
)

// Encoding is how request bodies are written.
type Encoding uint8

const (
	// Form is application/x-www-form-urlencoded, as RFC 6749 has it.
	Form Encoding = iota
	// JSON is one JSON object of strings.
	JSON
)

// String returns the registered name where there is one.
func (a ClientAuth) String() string {
	names := [...]string{
		"client_secret_basic", "client_secret_basic (raw)", "client_secret_post", "client_secret_json", "private_key_jwt",
		"client_secret_jwt", "tls_client_auth", "none",
	}
	if int(a) < len(names) {
		return names[a]
	}
	return "unknown client authentication"
}

func (c *Client) encoding() Encoding {
	if c.Auth == ClientSecretJSON {
		return JSON
	}
	return c.Encoding
}

// authFault says why this client cannot authenticate.
func (c *Client) authFault() error {
	switch {
	case c.Auth > None:
		return errors.New("Auth is not a known style")
	case c.Encoding > JSON:
		return errors.New("Encoding is neither Form nor JSON")
	case c.Secret != "" && (c.Auth == None || c.Auth == PrivateKeyJWT || c.Auth == TLSClientAuth):
		return fmt.Errorf("Secret is set but Auth %v does not use it", c.Auth)
	case c.Signer != nil && c.Auth != PrivateKeyJWT:
		return fmt.Errorf("Signer is set but Auth %v does not use it", c.Auth)
	case c.Auth == None:
		return nil
	case c.ID == "":
		return errors.New("ID is empty (only Auth None can do without)")
	}
	switch c.Auth {
	case ClientSecretBasicRaw:
		if strings.Contains(c.ID, ":") {
			return errors.New("ID contains ':', which ClientSecretBasicRaw cannot express")
		}
	case PrivateKeyJWT, ClientSecretJWT:
		_, err := c.assertionKey()
		return err
	case TLSClientAuth:
		return c.certificateFault()
	default:
		if c.Secret == "" {
			return errors.New("Secret is empty (a public client has Auth None)")
		}
	}
	return nil
}

// certificateFault says that HTTP has no certificate to show, as far as that can be seen.
func (c *Client) certificateFault() error {
	t, ok := c.transport().(*http.Transport)
	if ok && (t.TLSClientConfig == nil || len(t.TLSClientConfig.Certificates) == 0 && t.TLSClientConfig.GetClientCertificate == nil) {
		return errors.New("HTTP has no client certificate, which TLSClientAuth needs")
	}
	return nil
}

// authenticate adds the client's credentials to header or parameters.
func (c *Client) authenticate(p params, h http.Header) (params, error) {
	if err := c.authFault(); err != nil {
		return nil, err
	}
	switch c.Auth {
	case ClientSecretBasic:
		h["Authorization"] = []string{basic(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))}
	case ClientSecretBasicRaw:
		h["Authorization"] = []string{basic(c.ID, c.Secret)}
	case ClientSecretPost, ClientSecretJSON:
		p = p.set("client_id", c.ID).set("client_secret", c.Secret)
	case PrivateKeyJWT, ClientSecretJWT:
		assertion, err := c.assertion()
		if err != nil {
			return nil, err
		}
		p = p.set("client_id", c.ID).set("client_assertion_type", jwtBearerAssertion).set("client_assertion", assertion)
	default:
		if c.ID != "" {
			p = p.set("client_id", c.ID)
		}
	}
	return p, nil
}

func basic(user, password string) string {
	const scheme = "Basic "
	plain := []byte(user + ":" + password)
	b := append(make([]byte, 0, len(scheme)+base64.StdEncoding.EncodedLen(len(plain))), scheme...)
	return string(base64.StdEncoding.AppendEncode(b, plain))
}

// otherBasic names the style to try by hand after a 401, if it would make a difference.
func (c *Client) otherBasic() string {
	if url.QueryEscape(c.ID) == c.ID && url.QueryEscape(c.Secret) == c.Secret {
		return ""
	}
	switch c.Auth {
	case ClientSecretBasic:
		return "id or secret has special characters: this server may want ClientSecretBasicRaw"
	case ClientSecretBasicRaw:
		return "id or secret has special characters: this server may want ClientSecretBasic"
	default:
		return ""
	}
}
