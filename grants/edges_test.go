package grants_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// What cannot begin says why, as its class does, and sends nothing.
func TestBeginningsThatFail(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name    string
		call    func(ctx context.Context, c *grants.Client) error
		ctx     context.Context
		outcome keeper.Outcome
		want    string
	}{
		{"code, cancelled", code(nil), gone, keeper.RetryLater, "canceled"},
		{"implicit, cancelled", implicit(nil), gone, keeper.RetryLater, "canceled"},
		{"code, parameter of the protocol", code(&grants.FlowOptions{Params: url.Values{"state": {"mine"}}}), t.Context(), keeper.ConfigError, "state"},
		{"implicit, parameter of the protocol", implicit(&grants.FlowOptions{Params: url.Values{"nonce": {"mine"}}}), t.Context(), keeper.ConfigError, "nonce"},
		{"code, no client id", func(ctx context.Context, c *grants.Client) error {
			c.ID = ""
			return code(nil)(ctx, c)
		}, t.Context(), keeper.ConfigError, "ID is empty"},
		{"code, no endpoint", func(ctx context.Context, c *grants.Client) error {
			c.AuthorizeURL = ""
			return code(nil)(ctx, c)
		}, t.Context(), keeper.ConfigError, "AuthorizeURL is empty"},
		{"implicit token, nobody to ask any more", func(ctx context.Context, c *grants.Client) error {
			f, err := c.Implicit(ctx, nil)
			if err != nil {
				return err
			}
			c.InsecureImplicit = false
			_, err = c.ImplicitToken(ctx, f, url.Values{"access_token": {"AT"}, "state": {f.State}})
			return err
		}, t.Context(), keeper.ConfigError, "IntrospectURL"},
	}
	for _, tc := range tests {
		s := answering(t, 200, okBody)
		c := s.client()
		c.InsecureImplicit = true
		err := tc.call(tc.ctx, c)
		var e *grants.Error
		if !errors.As(err, &e) || e.Outcome() != tc.outcome || !strings.Contains(err.Error(), tc.want) || len(s.requests()) != 0 {
			t.Errorf("%s: %v after %d requests", tc.name, err, len(s.requests()))
		}
	}
}

func code(o *grants.FlowOptions) func(context.Context, *grants.Client) error {
	return func(ctx context.Context, c *grants.Client) error { _, err := c.AuthorizationCode(ctx, o); return err }
}

func implicit(o *grants.FlowOptions) func(context.Context, *grants.Client) error {
	return func(ctx context.Context, c *grants.Client) error { _, err := c.Implicit(ctx, o); return err }
}

// A server that refuses a pushed request says why, and there is no flow.
func TestPushedRequestRefused(t *testing.T) {
	t.Parallel()
	s := answering(t, 400, `{"error":"invalid_scope"}`)
	c := s.client()
	c.PARURL = s.URL + "/par"
	f, err := c.AuthorizationCode(t.Context(), nil)
	var e *grants.Error
	if f != nil || !errors.As(err, &e) || e.Code != grants.InvalidScope || e.Request != "par" {
		t.Errorf("%v, %v", f, err)
	}
}

// A key that cannot sign a proof just now has sent nothing, and a body that cannot be had again is not sent again.
func TestDPoPKeyUnavailable(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jose.NewSigner("ES256", "", downKMS{&private.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		withNonce("N1", 401, "")(w, nil)
	})
	c := s.client()
	c.DPoP = &grants.DPoP{Key: key}
	rec := &store.Record{Token: store.Token{AccessToken: "AT", RefreshToken: "RT", TokenType: "DPoP"}}
	_, err1 := c.Refresh(t.Context(), rec)
	_, err2 := c.Carry(httpRequest(t, "GET", s.URL, nil), rec, http.DefaultTransport)
	for _, err := range []error{err1, err2, c.UserInfo(t.Context(), rec.Token, new(any))} {
		var e *grants.Error
		if !errors.As(err, &e) || e.Outcome() != keeper.RetryLater || !strings.Contains(err.Error(), "kms is down") {
			t.Errorf("%v", err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	c.DPoP = &grants.DPoP{Key: signer("ES256")}
	req := httpRequest(t, "POST", s.URL, strings.NewReader("x"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	resp, err := c.Carry(req, rec, http.DefaultTransport)
	if err != nil || resp.StatusCode != 401 {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.only(t)
}

// Records of nobody's, and no record at all, go to no server.
func TestClientsWithoutRecord(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	cs := grants.Clients{s.client()}
	_, err1 := cs.Refresh(t.Context(), nil)
	for _, err := range []error{err1, cs.Revoke(t.Context(), nil), cs.Revoke(t.Context(), &store.Record{Provider: "other"})} {
		var e *grants.Error
		if !errors.As(err, &e) || e.Class != grants.ConfigError {
			t.Errorf("%v", err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// An endpoint's own query stays, and what a hook takes away is not missed.
func TestQueryAndHeaderOfGET(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{"sub":"u"}`)
	c := s.client()
	c.UserInfoURL += "?v=2"
	c.Extra = map[string]grants.Extra{"userinfo": {Params: url.Values{"fields": {"id"}}}}
	c.Hooks = []grants.Hook{{Request: func(_ context.Context, r *grants.Request) error {
		r.Header = nil
		return nil
	}}}
	if err := c.UserInfo(t.Context(), store.Token{AccessToken: "AT"}, new(any)); err != nil {
		t.Fatal(err)
	}
	if got := s.only(t); got.URI != "/userinfo?v=2&fields=id" || got.Header.Get("Authorization") != "" {
		t.Errorf("%+v", got)
	}
}

// A code of the configuration is believed inside an error object too.
func TestConfiguredCodeInside(t *testing.T) {
	t.Parallel()
	c := answering(t, 400, `{"error":{"code":"token_gone"}}`).client()
	c.Codes = map[string]grants.Class{"token_gone": grants.GrantDead}
	_, err := c.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: "RT", Expiry: time.Now()}})
	var e *grants.Error
	if !errors.As(err, &e) || e.Code != "token_gone" || e.Outcome() != keeper.Dead {
		t.Errorf("%v", err)
	}
}
