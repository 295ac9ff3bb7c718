package grants_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// R1: the web workflow of the document, which is Google's.
func TestGoogleWorkflow(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := &grants.Client{
		Provider: "google", AuthorizeURL: s.URL + "/o/oauth2/auth", TokenURL: s.URL + "/o/oauth2/token",
		UserInfoURL: s.URL + "/oauth2/v1/userinfo", ID: "your_client_id", Secret: "your/client+secret",
		Auth: grants.ClientSecretBasicRaw, RedirectURI: "https://your.callback/uri",
		Scopes: []string{
			"https://www.googleapis.com/auth/userinfo.email", "https://www.googleapis.com/auth/userinfo.profile",
		},
		Extra: map[string]grants.Extra{
			"authorize": {Params: url.Values{"access_type": {"offline"}, "approval_prompt": {"force"}}},
		},
		HTTP: s.Client(), Now: fixed,
	}
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, f.URL)
	for name, want := range map[string]string{
		"response_type": "code", "client_id": c.ID, "redirect_uri": c.RedirectURI, "scope": strings.Join(c.Scopes, " "),
		"state": f.State, "access_type": "offline", "approval_prompt": "force",
	} {
		if q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q.Get(name), want)
		}
	}
	// The whole callback URL is what the document pastes.
	back := query(t, "https://your.callback/uri?state="+f.State+"&code=4/abc&scope=email")
	if _, err := c.Exchange(t.Context(), f, back); err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"grant_type": {"authorization_code"}, "code": {"4/abc"}, "redirect_uri": {c.RedirectURI}, "code_verifier": {f.Verifier},
	}
	got := s.only(t)
	if !reflect.DeepEqual(got.form(t), want) || got.Header.Get("Authorization") != "Basic eW91cl9jbGllbnRfaWQ6eW91ci9jbGllbnQrc2VjcmV0" {
		t.Errorf("%+v", got)
	}

	c.Auth = grants.ClientSecretPost // include_client_id=True
	if _, err := c.Exchange(t.Context(), f, back); err != nil {
		t.Fatal(err)
	}
	want.Set("client_id", c.ID)
	want.Set("client_secret", c.Secret)
	if got := s.requests()[1]; !reflect.DeepEqual(got.form(t), want) || got.Header.Get("Authorization") != "" {
		t.Errorf("%+v", got)
	}
}

// R2: the mobile workflow; a wrong state is an error.
func TestMobileWorkflow(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{"active":true,"client_id":"id"}`)
	c := s.client()
	c.IntrospectURL = s.URL + "/introspect"
	f, err := c.Implicit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	fragment := url.Values{"access_token": {"AT"}, "token_type": {"Bearer"}, "state": {"wrong"}}
	if _, err := c.ImplicitToken(t.Context(), f, fragment); err == nil || len(s.requests()) != 0 {
		t.Errorf("%v", err)
	}
	fragment.Set("state", f.State)
	if tok, err := c.ImplicitToken(t.Context(), f, fragment); err != nil || tok.AccessToken != "AT" {
		t.Errorf("%v, %v", tok, err)
	}
}

// R3: the legacy workflow, with Basic, in the body, or without a secret.
func TestLegacyWorkflow(t *testing.T) {
	t.Parallel()
	for auth, secret := range map[grants.ClientAuth]string{
		grants.ClientSecretBasicRaw: "", grants.ClientSecretPost: "s3cret", grants.None: "",
	} {
		s := answering(t, 200, okBody)
		c := s.client()
		c.Auth, c.Secret = auth, secret
		if _, err := c.Password(t.Context(), "u", "p"); err != nil {
			t.Errorf("%v: %v", auth, err)
			continue
		}
		got := s.only(t)
		if raw := got.Header.Get("Authorization"); auth == grants.ClientSecretBasicRaw && raw != "Basic aWQ6" {
			t.Errorf("%q", raw)
		}
		if f := got.form(t); f.Has("client_secret") != (secret != "") {
			t.Errorf("%v: %v", auth, f)
		}
	}
}

// R5: mutual TLS is a client certificate in the transport and client_id in the body.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	cert, leaf := clientCertificate(t)
	s := &script{answer: func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 {
			t.Error("no client certificate")
		}
		w.Write([]byte(okBody))
	}}
	s.Server = httptest.NewUnstartedServer(s)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	c := s.client()
	c.Auth, c.Secret = grants.TLSClientAuth, ""
	c.HTTP.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{cert}
	if _, err := c.ClientCredentials(t.Context(), "read"); err != nil {
		t.Fatal(err)
	}
	want := url.Values{"grant_type": {"client_credentials"}, "client_id": {"id"}, "scope": {"read"}}
	if got := s.only(t); !reflect.DeepEqual(got.form(t), want) || got.Header.Get("Authorization") != "" {
		t.Errorf("%+v", got)
	}
}

func clientCertificate(t *testing.T) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, leaf
}

// M1: the refresh of the document has the credentials in the body and no Basic.
func TestDocumentedRefresh(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{"access_token":"AT2","token_type":"Bearer","expires_in":"-30"}`)
	c := s.client()
	c.ID, c.Secret, c.Auth = "foo", "potato", grants.ClientSecretPost
	tok, err := c.Refresh(t.Context(), &store.Record{Token: store.Token{AccessToken: "eswfld123kjhn1v5423", RefreshToken: "asdfkljh23490sdf"}})
	if err != nil || !tok.Expiry.Equal(t0) || tok.RefreshToken != "" {
		t.Fatal(tok, err)
	}
	want := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {"asdfkljh23490sdf"}, "client_id": {"foo"}, "client_secret": {"potato"},
	}
	if got := s.only(t); !reflect.DeepEqual(got.form(t), want) || got.Header.Get("Authorization") != "" {
		t.Errorf("%+v", got)
	}
}
