package grants_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

type proof struct {
	Jti, Htm, Htu, Nonce, Ath string
	Iat                       int64
}

// readProof checks what section 4.3 checks without knowing the request.
func readProof(t *testing.T, key *jose.Signer, h http.Header) (p proof) {
	t.Helper()
	if n := len(h.Values("DPoP")); n != 1 {
		t.Errorf("%d proofs, want 1", n)
		return p
	}
	v := &jose.Verifier{Algorithms: []string{key.Key().Algorithm}, Keys: jose.KeySet{key.Key()}, Types: []string{"dpop+jwt"}}
	payload, err := v.VerifyJWS(t.Context(), h.Get("DPoP"))
	if err != nil {
		t.Error(err)
		return p
	}
	header, _, _ := strings.Cut(h.Get("DPoP"), ".")
	var head struct{ Jwk json.RawMessage }
	if err := json.Unmarshal(decode(t, header), &head); err != nil {
		t.Error(err)
	}
	if shown, err := jose.ParseKey(head.Jwk); err != nil || shown.Thumbprint() != key.Thumbprint() || strings.Contains(string(head.Jwk), `"d"`) {
		t.Errorf("the proof shows the key %v, %v", shown, err)
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Error(err)
	}
	return p
}

// The proofs of RFC 9449 verify, and a token's ath is as the RFC computes it.
func TestDPoPVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		DPoP struct {
			JWK json.RawMessage
			JKT string
			Ath []struct {
				Token string `json:"access_token"`
				Ath   string
			}
			Proofs []struct{ JWT string }
		} `json:"dpop_rfc9449"`
	}
	readVectors(t, "rfc_examples.json", &file)
	key, err := jose.ParseKey(file.DPoP.JWK)
	if err != nil || key.Thumbprint() != file.DPoP.JKT || len(file.DPoP.Proofs) != 3 {
		t.Fatal(key, err, len(file.DPoP.Proofs))
	}
	v := &jose.Verifier{Algorithms: []string{"ES256"}, Keys: jose.KeySet{key}, Types: []string{"dpop+jwt"}}
	for _, p := range file.DPoP.Proofs {
		if _, err := v.VerifyJWS(t.Context(), p.JWT); err != nil {
			t.Error(err)
		}
	}
	s := answering(t, 200, `{"sub":"u"}`)
	c := s.client()
	mine := signer("ES256")
	c.DPoP = &grants.DPoP{Key: mine}
	for i, tc := range file.DPoP.Ath {
		if err := c.UserInfo(t.Context(), store.Token{AccessToken: tc.Token, TokenType: "DPoP"}, new(any)); err != nil {
			t.Fatal(err)
		}
		if got := readProof(t, mine, s.requests()[i].Header); got.Ath != tc.Ath {
			t.Errorf("ath %q, want %q", got.Ath, tc.Ath)
		}
	}
}

// nonced is a server that wants a nonce of its own in every proof, a new one after each request it takes.
type nonced struct {
	mu    sync.Mutex
	n     int
	never bool // wants another one whatever comes
	key   *jose.Signer
	ids   map[string]bool
}

func (s *nonced) accept(t *testing.T, w http.ResponseWriter, r *http.Request, status int, url string) bool {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := readProof(t, s.key, r.Header)
	if p.Htm != r.Method || p.Htu != url || p.Iat == 0 || len(p.Jti) < 20 || s.ids[p.Jti] {
		t.Errorf("%s %s: proof %+v", r.Method, url, p)
	}
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	s.ids[p.Jti] = true
	ok := p.Nonce == fmt.Sprint("nonce-", s.n) && s.n > 0 && !s.never
	s.n++
	w.Header().Set("DPoP-Nonce", fmt.Sprint("nonce-", s.n))
	if !ok {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", error_description="nonce"`)
		}
		w.WriteHeader(status)
		io.WriteString(w, `{"error":"use_dpop_nonce"}`)
	}
	return ok
}

// Sections 5, 8 and 10: the code is tied to the key, each token request has a fresh proof, a nonce costs one repetition
// and is used from then on, refreshes use the same key.
func TestDPoP(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "EdDSA", "PS256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			key := signer(alg)
			as := &nonced{key: key}
			var s *script
			s = scripted(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/userinfo":
					if !strings.HasPrefix(r.Header.Get("Authorization"), "DPoP AT") || readProof(t, key, r.Header).Ath == "" {
						t.Errorf("%v", r.Header)
					}
					if as.accept(t, w, r, 401, s.URL+"/userinfo") {
						io.WriteString(w, `{"sub":"u"}`)
					}
				case "/token":
					if as.accept(t, w, r, 400, s.URL+"/token") {
						io.WriteString(w, `{"access_token":"AT","token_type":"DPoP","refresh_token":"RT","expires_in":60}`)
					}
				default:
					if r.Header.Get("DPoP") != "" {
						t.Errorf("%s got a proof", r.URL.Path)
					}
				}
			})
			c := s.client()
			c.DPoP, c.Auth, c.Secret, c.Signer = &grants.DPoP{Key: key}, grants.PrivateKeyJWT, "", signer("ES256")
			c.UserInfoURL += "?fields=all"
			f, err := c.AuthorizationCode(t.Context(), nil)
			if err != nil || query(t, f.URL).Get("dpop_jkt") != key.Thumbprint() {
				t.Fatal(f, err)
			}
			tok, err := c.Exchange(t.Context(), f, url.Values{"code": {"C"}, "state": {f.State}})
			if err != nil || tok.TokenType != "DPoP" || len(s.requests()) != 2 {
				t.Fatalf("%v, %v after %d requests", tok, err, len(s.requests()))
			}
			first, second := s.requests()[0].form(t), s.requests()[1].form(t)
			if first.Get("code") != second.Get("code") || first.Get("client_assertion") == second.Get("client_assertion") {
				t.Errorf("%v, then %v: want the same code and another assertion", first, second)
			}
			rec := &store.Record{Token: tok}
			if _, err := c.Refresh(t.Context(), rec); err != nil || len(s.requests()) != 3 {
				t.Errorf("refresh: %v after %d requests, want the known nonce to be used", err, len(s.requests()))
			}
			if err := c.UserInfo(t.Context(), tok, new(any)); err != nil || len(s.requests()) != 4 {
				t.Errorf("userinfo: %v after %d requests", err, len(s.requests()))
			}
			as.mu.Lock()
			as.n += 7 // the server forgot
			as.mu.Unlock()
			if err := c.UserInfo(t.Context(), tok, new(any)); err != nil || len(s.requests()) != 6 {
				t.Errorf("userinfo with an old nonce: %v after %d requests", err, len(s.requests()))
			}
			if err := c.Revoke(t.Context(), rec); err != nil {
				t.Error(err)
			}
		})
	}
}

// A server that wants another nonce each time is asked twice and no more.
func TestDPoPNonceLoopStops(t *testing.T) {
	t.Parallel()
	key := signer("ES256")
	as := &nonced{key: key, never: true}
	var s *script
	s = scripted(t, func(w http.ResponseWriter, r *http.Request) {
		status := 400
		if r.Method == "GET" {
			status = 401
		}
		as.accept(t, w, r, status, s.URL+r.URL.Path)
	})
	c := s.client()
	c.DPoP = &grants.DPoP{Key: key}
	_, err := c.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: "RT", TokenType: "dpop"}})
	var e *grants.Error
	if !errors.As(err, &e) || e.Code != grants.UseDPoPNonce || e.Outcome() != keeper.RetryLater || len(s.requests()) != 2 {
		t.Errorf("%v after %d requests", err, len(s.requests()))
	}
	err = c.UserInfo(t.Context(), store.Token{AccessToken: "AT", TokenType: "DPoP"}, new(any))
	if !errors.As(err, &e) || e.Code != grants.UseDPoPNonce || len(s.requests()) != 4 {
		t.Errorf("%v after %d requests", err, len(s.requests()))
	}
	resp, err := c.Carry(httpRequest(t, "GET", s.URL+"/api", nil), &store.Record{Token: store.Token{AccessToken: "AT", TokenType: "DPoP"}}, http.DefaultTransport)
	if err != nil || resp.StatusCode != 401 || len(s.requests()) != 6 {
		t.Fatalf("%v after %d requests", err, len(s.requests()))
	}
	resp.Body.Close()
}

func httpRequest(t *testing.T, method, to string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, to, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What may be repeated is only what the server says it has not done, and only with a nonce to repeat it with.
func TestDPoPRepeatsNothingElse(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"no nonce": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, `{"error":"use_dpop_nonce"}`)
		},
		"another error":     withNonce("N1", 400, `{"error":"invalid_grant"}`),
		"another status":    withNonce("N1", 500, `{"error":"use_dpop_nonce"}`),
		"a nonce no header": withNonce("N 1", 400, `{"error":"use_dpop_nonce"}`),
		"a nonce too long":  withNonce(strings.Repeat("N", 2000), 200, okBody),
		"an invalid proof":  withNonce("N1", 400, `{"error":"invalid_dpop_proof"}`),
		"success":           withNonce("N1", 200, okBody),
	} {
		s := scripted(t, answer)
		c := s.client()
		c.DPoP = &grants.DPoP{Key: signer("ES256")}
		if _, err := c.Password(t.Context(), "u", "p"); len(s.requests()) != 1 {
			t.Errorf("%s: %v after %d requests", name, err, len(s.requests()))
		}
		if odd := name == "no nonce" || strings.HasPrefix(name, "a nonce"); odd != (grants.Nonces(c.DPoP) == 0) {
			t.Errorf("%s: %d nonces are remembered", name, grants.Nonces(c.DPoP))
		}
	}
}

func withNonce(nonce string, status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("DPoP-Nonce", nonce)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// A bound token is never sent as if it were not, nor refreshed without its key.
func TestDPoPWithoutKey(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{"access_token":"AT","token_type":"DPoP","refresh_token":"RT2"}`)
	c := s.client()
	rec := &store.Record{Token: store.Token{AccessToken: "AT", RefreshToken: "RT", TokenType: "DPoP"}}
	_, err1 := c.Refresh(t.Context(), rec)
	err2 := c.UserInfo(t.Context(), rec.Token, new(any))
	_, err3 := c.Carry(httpRequest(t, "GET", s.URL, nil), rec, http.DefaultTransport)
	c.DPoP = &grants.DPoP{}
	_, err4 := c.Refresh(t.Context(), rec)
	_, err5 := c.Carry(httpRequest(t, "POST", s.URL, strings.NewReader("x")), rec, http.DefaultTransport)
	_, err6 := c.AuthorizationCode(t.Context(), nil)
	for i, err := range []error{err1, err2, err3, err4, err5, err6} {
		var e *grants.Error
		if !errors.As(err, &e) || e.Class != grants.ConfigError {
			t.Errorf("%d: %v", i+1, err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	c.DPoP = nil // RFC 9449 section 5: nobody asked for a bound token
	tok, err := c.Password(t.Context(), "u", "p")
	var e *grants.Error
	if !errors.As(err, &e) || e.Class != grants.UnsupportedTokenType || tok.AccessToken != "" || tok.RefreshToken != "RT2" {
		t.Errorf("%v, %v", tok, err)
	}
}

// A server that cannot bind tokens gives Bearer ones, which StrictTokenType refuses.
func TestDPoPDowngrade(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := s.client()
	c.DPoP = &grants.DPoP{Key: signer("ES256")}
	if tok, err := c.Password(t.Context(), "u", "p"); err != nil || tok.TokenType != "Bearer" {
		t.Errorf("%v, %v", tok, err)
	}
	c.StrictTokenType = true
	if _, err := c.Password(t.Context(), "u", "p"); err == nil || !strings.Contains(err.Error(), "not DPoP") {
		t.Error(err)
	}
}

// The nonces of a hundred servers do not pile up, and nothing of the key or of them prints.
func TestDPoPPrintsNothing(t *testing.T) {
	t.Parallel()
	d := &grants.DPoP{Key: signer("EdDSA")}
	s := scripted(t, withNonce("NONCE-marker", 200, okBody))
	c := s.client()
	c.DPoP = d
	for i := range 100 {
		c.TokenURL = fmt.Sprintf("https://as%d.example/token", i)
		c.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Dpop-Nonce": {"NONCE-marker"}}, Body: io.NopCloser(strings.NewReader(okBody)),
			}, nil
		})}
		if _, err := c.Password(t.Context(), "u", "p"); err != nil {
			t.Fatal(err)
		}
	}
	if n := grants.Nonces(d); n > 64 {
		t.Errorf("%d nonces are remembered", n)
	}
	b, err := json.Marshal(map[string]any{"d": d})
	text := fmt.Sprintf("%v %+v %#v %s %x %v", d, d, d, d, d, c) + string(b) + d.LogValue().String()
	if err != nil || strings.Contains(text, "marker") || strings.Contains(text, "[") || strings.Contains(text, "0x") {
		t.Errorf("%s, %v", text, err)
	}
}

// As many servers as nonces are kept of do not drive each other's out.
func TestDPoPNoncesStay(t *testing.T) {
	t.Parallel()
	d := &grants.DPoP{Key: signer("EdDSA")}
	c := answering(t, 200, okBody).client()
	c.DPoP = d
	rec := &store.Record{Token: store.Token{AccessToken: "AT", TokenType: "DPoP"}}
	for i := range 65 { // the last is the first again
		req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("https://rs%d.example/", i%64), nil)
		resp, err := c.Carry(req, rec, roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{"Dpop-Nonce": {"N"}}, Body: http.NoBody}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if n := grants.Nonces(d); n != 64 {
		t.Errorf("%d nonces", n)
	}
}
