package authserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

const (
	proofWindow = 2 * time.Minute // how old a proof may be, or how far its clock ahead
	nonceTTL    = 5 * time.Minute
)

func invalidProof(description string) *failure {
	return fail(http.StatusBadRequest, "invalid_dpop_proof", description)
}

// bind notes the key that a token request proves to have, if its client is of those whose tokens are bound.
func (s *Server) bind(w http.ResponseWriter, r *http.Request, req *request) (err error) {
	if req.client.DPoP {
		req.key, err = s.proof(w, r, "")
	}
	return err
}

// confirm checks that a request with the access token proves to have the key it is bound to (RFC 9449 section 7.1).
func (s *Server) confirm(w http.ResponseWriter, r *http.Request, key string, scheme bool, token string) error {
	if (key != "") != scheme {
		return store.ErrNotFound
	}
	if key == "" {
		return nil
	}
	proved, err := s.proof(w, r, token)
	if f := (*failure)(nil); errors.As(err, &f) && f.cause == nil {
		f.status, f.scheme = http.StatusUnauthorized, "DPoP"
		return f
	}
	if err == nil && subtle.ConstantTimeCompare([]byte(proved), []byte(key)) != 1 {
		err = store.ErrNotFound
	}
	return err
}

// dpopProof is what a proof says (RFC 9449 section 4.2).
type dpopProof struct {
	ID     string  `json:"jti"`
	Method string  `json:"htm"`
	URL    string  `json:"htu"`
	Issued float64 `json:"iat"`
	Hash   string  `json:"ath"`
	Nonce  string  `json:"nonce"`
}

// proof checks the request's proof (RFC 9449 section 4.3), for the access token if it comes with one, and returns the
// thumbprint of the key.
func (s *Server) proof(w http.ResponseWriter, r *http.Request, token string) (string, error) {
	if s.nonces {
		w.Header().Set("DPoP-Nonce", s.newNonce())
	}
	headers := r.Header.Values("DPoP")
	if len(headers) != 1 || len(headers[0]) > maxCredential {
		return "", invalidProof("one DPoP header is needed")
	}
	p, thumbprint, err := readProof(r.Context(), headers[0])
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(token))
	age := s.now().Sub(time.Unix(int64(p.Issued), 0))
	switch {
	case p.Method != r.Method || !s.isHere(p.URL, r):
		return "", invalidProof("the proof is for another request")
	case token != "" && p.Hash != base64.RawURLEncoding.EncodeToString(sum[:]):
		return "", invalidProof("the proof is for another access token")
	case s.nonces && !s.freshNonce(p.Nonce):
		return "", fail(http.StatusBadRequest, "use_dpop_nonce", "the proof needs the nonce of the DPoP-Nonce header")
	case age > proofWindow || age < -proofWindow:
		return "", invalidProof("the proof is too old, or from the future")
	case p.ID == "":
		return "", invalidProof("the proof has no jti")
	}
	return thumbprint, s.once(r.Context(), "proof", thumbprint, p.ID, s.now().Add(2*proofWindow), invalidProof("the proof was used before"))
}

// readProof checks the signature of a proof by the key in its header.
func readProof(ctx context.Context, text string) (p dpopProof, thumbprint string, err error) {
	malformed := invalidProof("the proof is malformed, or not signed by its key")
	first, _, _ := strings.Cut(text, ".")
	header, err := base64.RawURLEncoding.DecodeString(first)
	var h struct {
		Key json.RawMessage `json:"jwk"`
	}
	if err != nil || json.Unmarshal(header, &h) != nil {
		return p, "", malformed
	}
	key, err := jose.ParseKey(h.Key)
	if err != nil || key.Thumbprint() == "" { // a secret has none
		return p, "", malformed
	}
	key.ID = "" // the token's kid does not matter
	verifier := jose.Verifier{Keys: jose.KeySet{key}, Algorithms: assertionAlgs, Types: []string{"dpop+jwt"}}
	payload, err := verifier.VerifyJWS(ctx, text)
	if err != nil || json.Unmarshal(payload, &p) != nil {
		return p, "", malformed
	}
	return p, key.Thumbprint(), nil
}

// isHere compares htu with this request's URL, without query and fragment. Scheme and host are the Issuer's, whatever
// stands between it and this process.
func (s *Server) isHere(said string, r *http.Request) bool {
	to, err := url.Parse(said)
	issuer, issuerErr := url.Parse(s.issuer)
	here, hereErr := url.ParseRequestURI(r.RequestURI)
	return err == nil && issuerErr == nil && hereErr == nil && strings.EqualFold(to.Scheme, issuer.Scheme) &&
		strings.EqualFold(hostPort(to), hostPort(issuer)) && to.EscapedPath() == here.EscapedPath()
}

func hostPort(u *url.URL) string {
	if port := u.Port(); (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		return strings.TrimSuffix(u.Host, ":"+port)
	}
	return u.Host
}

// newNonce is the time, sealed: nothing is kept for it.
func (s *Server) newNonce() string {
	text := strconv.FormatInt(s.now().Unix(), 10)
	return base64.RawURLEncoding.EncodeToString(s.ring.SealBytes("dpop nonce", s.issuer, []byte(text)))
}

func (s *Server) freshNonce(nonce string) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(sealed) == 0 {
		return false
	}
	text, err := s.ring.OpenBytes("dpop nonce", s.issuer, sealed)
	if err != nil {
		return false
	}
	at, err := strconv.ParseInt(string(text), 10, 64)
	return err == nil && s.now().Sub(time.Unix(at, 0)) < nonceTTL
}
