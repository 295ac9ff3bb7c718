package grants_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// Section 7, through a keeper: API requests carry the token as DPoP with a proof of their own, the nonce is asked for
// once, a refresh happens with the same key, and bodies are sent whole.
func TestDPoPThroughKeeper(t *testing.T) {
	t.Parallel()
	key := signer("ES256")
	as, rs := &nonced{key: key}, &nonced{key: key}
	var s, api *script
	s = scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if as.accept(t, w, r, 400, s.URL+"/token") {
			io.WriteString(w, `{"access_token":"AT2","token_type":"DPoP","expires_in":3600}`)
		}
	})
	api = scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "DPoP AT1" {
			w.Header().Set("WWW-Authenticate", `DPoP error="invalid_token"`)
			w.WriteHeader(401)
			return
		}
		if rs.accept(t, w, r, 401, api.URL+r.URL.Path) {
			io.WriteString(w, "done")
		}
	})
	c := s.client()
	c.DPoP, c.Now = &grants.DPoP{Key: key}, nil
	keep, rec := kept(t, grants.Clients{c}, store.Token{
		AccessToken: "AT1", TokenType: "DPoP", RefreshToken: "RT", Expiry: time.Now().Add(time.Hour),
	}, nil)
	client := keep.Client(rec.Handle, api.URL)
	for _, body := range []string{"one", "two"} {
		resp, err := client.Post(api.URL+"/orders?q=1", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		all := api.requests()
		if string(got) != "done" || all[len(all)-1].Body != body {
			t.Errorf("%d %q, sent %q", resp.StatusCode, got, all[len(all)-1].Body)
		}
	}
	// AT1 refused, AT2 without a nonce, AT2 with one; then one request.
	if n := len(api.requests()); n != 4 {
		t.Errorf("%d API requests, want 4", n)
	}
	if n := len(s.requests()); n != 2 {
		t.Errorf("%d token requests, want 2", n)
	}
	once := httpRequest(t, "POST", api.URL, io.MultiReader(strings.NewReader("x"))) // cannot be sent again
	rs.mu.Lock()
	rs.n += 7
	rs.mu.Unlock()
	before := len(api.requests())
	resp, err := client.Do(once)
	if err != nil || resp.StatusCode != 401 || len(api.requests()) != before+1 {
		t.Errorf("%v, %d requests", err, len(api.requests())-before)
	}
	resp.Body.Close()
}

// Tokens of other types go out as Bearer, and records of others not at all.
func TestCarry(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, "{}")
	c := s.client()
	req := httpRequest(t, "GET", s.URL+"/x", nil)
	req.Header = nil
	resp, err := c.Carry(req, &store.Record{Token: store.Token{AccessToken: "AT", TokenType: "User Access Token"}}, http.DefaultTransport)
	if err != nil || s.only(t).Header.Get("Authorization") != "Bearer AT" || req.Header != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, carry := range []func(*http.Request, *store.Record, http.RoundTripper) (*http.Response, error){c.Carry, grants.Clients{c}.Carry} {
		closed := &closing{}
		_, err := carry(httpRequest(t, "POST", s.URL, closed), &store.Record{Provider: "other"}, http.DefaultTransport)
		var e *grants.Error
		if !errors.As(err, &e) || e.Class != grants.ConfigError || !closed.closed {
			t.Errorf("%v, closed %v", err, closed.closed)
		}
	}
	s.only(t)
}

type closing struct {
	strings.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// A request with a bearer token is not repeated for a nonce, which it could not carry.
func TestCarryOfBearerIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		withNonce("N1", 401, "")(w, nil)
	})
	resp, err := s.client().Carry(httpRequest(t, "GET", s.URL, nil), &store.Record{Token: store.Token{AccessToken: "AT"}}, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.only(t)
}
