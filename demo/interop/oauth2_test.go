package interop_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/granttest"
)

// config is the provider's ready client as golang.org/x/oauth2 has it.
func config(p *granttest.Provider, style oauth2.AuthStyle) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.Client.ID, ClientSecret: p.Client.Secret, RedirectURL: p.Client.RedirectURI, Scopes: p.Client.Scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: p.Client.AuthorizeURL, TokenURL: p.Client.TokenURL, DeviceAuthURL: p.Client.DeviceURL, AuthStyle: style,
		},
	}
}

// good checks a token's members and that the provider takes it as this user's.
func good(t *testing.T, p *granttest.Provider, token *oauth2.Token, subject string, refresh bool) {
	t.Helper()
	rec, err := p.Server().Verify(t.Context(), token.AccessToken)
	if err != nil || rec.Subject != subject {
		t.Errorf("the token is %v's, error %v", rec, err)
	}
	left := time.Until(token.Expiry)
	if token.Type() != "Bearer" || (token.RefreshToken != "") != refresh || left < 59*time.Minute || left > time.Hour {
		t.Errorf("type %q, refresh token %q, %v left", token.Type(), token.RefreshToken, left)
	}
	if scope, _ := token.Extra("scope").(string); scope != "read write" {
		t.Errorf("scope %q", scope)
	}
}

// Every flow of x/oauth2, with the client's secret in the header, in the body, and found out by trying.
func TestOAuth2(t *testing.T) {
	t.Parallel()
	for name, style := range map[string]oauth2.AuthStyle{
		"header": oauth2.AuthStyleInHeader, "body": oauth2.AuthStyleInParams, "tried": oauth2.AuthStyleAutoDetect,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := granttest.New(t)
			c := config(p, style)

			t.Run("code", func(t *testing.T) {
				verifier := oauth2.GenerateVerifier()
				callback := p.Allow(c.AuthCodeURL("the state", oauth2.S256ChallengeOption(verifier)), "alice")
				q := query(t, callback)
				if q.Get("state") != "the state" || q.Get("iss") != p.URL {
					t.Errorf("the callback is %s", callback)
				}
				token, err := c.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
				if err != nil {
					t.Fatal(err)
				}
				good(t, p, token, "alice", true)
				if _, err := c.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier)); code(err) != "invalid_grant" {
					t.Errorf("the code works again: %v", err)
				}
			})
			t.Run("password", func(t *testing.T) {
				token, err := c.PasswordCredentialsToken(t.Context(), "bob", granttest.Password)
				if err != nil {
					t.Fatal(err)
				}
				good(t, p, token, "bob", true)
				if _, err := c.PasswordCredentialsToken(t.Context(), "bob", "wrong"); code(err) != "invalid_grant" {
					t.Errorf("a wrong password: %v", err)
				}
			})
			t.Run("client credentials", func(t *testing.T) {
				cc := &clientcredentials.Config{
					ClientID: c.ClientID, ClientSecret: c.ClientSecret, TokenURL: c.Endpoint.TokenURL, Scopes: c.Scopes, AuthStyle: style,
				}
				token, err := cc.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				good(t, p, token, "", false)
				cc.ClientSecret = "wrong"
				if _, err := cc.Token(t.Context()); code(err) != "invalid_client" {
					t.Errorf("a wrong secret: %v", err)
				}
			})
			t.Run("refresh", func(t *testing.T) {
				token, err := c.PasswordCredentialsToken(t.Context(), "carol", granttest.Password)
				if err != nil {
					t.Fatal(err)
				}
				old := token.RefreshToken
				token.Expiry = time.Now()
				fresh, err := c.TokenSource(t.Context(), token).Token()
				if err != nil {
					t.Fatal(err)
				}
				good(t, p, fresh, "carol", true)
				if fresh.RefreshToken == old {
					t.Error("the refresh token was not rotated")
				}
				p.Rotate(granttest.Fixed)
				fresh.Expiry = time.Now()
				again, err := c.TokenSource(t.Context(), fresh).Token()
				if err != nil || again.RefreshToken != fresh.RefreshToken {
					t.Errorf("an answer without a refresh token: %v, %v", again, err)
				}
			})
		})
	}
}

func TestOAuth2Device(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	c := config(p, oauth2.AuthStyleInParams)
	tv := p.Register(authserver.Client{ // x/oauth2 sends no secret to the device endpoint
		ID: "tv", Grants: []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}, Scopes: []string{"read", "write"},
	})
	c.ClientID, c.ClientSecret = tv.ID, ""
	device, err := c.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if device.UserCode == "" || device.VerificationURI != p.URL+"/connect" || time.Until(device.Expiry) < 9*time.Minute {
		t.Errorf("answer %+v", device)
	}
	p.Allow(device.VerificationURIComplete, "alice")
	device.Interval = 1 // second: the user was quick
	token, err := c.DeviceAccessToken(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	good(t, p, token, "alice", true)
}

// x/oauth2's client meets our resource side: its token is refreshed and taken.
func TestOAuth2Client(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	c := config(p, oauth2.AuthStyleInHeader)
	token, err := c.PasswordCredentialsToken(t.Context(), "alice", granttest.Password)
	if err != nil {
		t.Fatal(err)
	}
	token.Expiry = time.Now()
	resp, err := c.Client(context.Background(), token).Get(p.Client.UserInfoURL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(p.Requests("refresh_token")) != 1 {
		t.Errorf("status %d, requests %v", resp.StatusCode, p.Requests())
	}
}

func query(t *testing.T, callback string) url.Values {
	t.Helper()
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// code is the error code that x/oauth2 has understood.
func code(err error) string {
	if e := (*oauth2.RetrieveError)(nil); errors.As(err, &e) {
		return e.ErrorCode
	}
	return ""
}
