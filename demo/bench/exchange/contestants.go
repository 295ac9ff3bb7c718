package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/markbates/goth/providers/gitea"
	"golang.org/x/oauth2"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/grants"
)

const (
	code        = "4/0AX4XfWh"
	redirectURI = "https://app.example/callback"
	id, secret  = "client-id", "client-secret"
)

var contestants = []Contestant{
	{"floor: net/http and one JSON struct", measure.Floor, floor},
	{"tokenkeep: grants.Client", measure.Ours, ours},
	{"x/oauth2", measure.Peer, xoauth2},
	{"goth (gitea provider)", measure.Peer, gothic},
}

func floor(c *http.Client) Exchange {
	return func(ctx context.Context) (string, string, string, error) {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {strings.Repeat("v", 43)}}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "POST", tokenURL, strings.NewReader(form.Encode()))
		if err != nil {
			return "", "", "", err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(id, secret)
		resp, err := c.Do(req)
		if err != nil {
			return "", "", "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil || resp.StatusCode != http.StatusOK {
			return "", "", "", errors.Join(err, errors.New(resp.Status))
		}
		var t struct {
			AccessToken  string `json:"access_token"`
			TokenType    string `json:"token_type"`
			RefreshToken string `json:"refresh_token"`
			ExpiresIn    int64  `json:"expires_in"`
		}
		if err := json.Unmarshal(body, &t); err != nil {
			return "", "", "", err
		}
		if t.AccessToken == "" {
			return "", "", "", errors.New("no token")
		}
		return t.AccessToken, t.RefreshToken, "", nil
	}
}

func ours(c *http.Client) Exchange {
	client := &grants.Client{Provider: "p", TokenURL: tokenURL, ID: id, Secret: secret, HTTP: c}
	flow := &grants.Flow{
		Provider: "p", State: "state", Verifier: strings.Repeat("v", 43), RedirectURI: redirectURI, Scopes: []string{"profile"},
		Expires: time.Now().Add(time.Hour),
	}
	back := url.Values{"code": {code}, "state": {"state"}}
	return func(ctx context.Context) (string, string, string, error) {
		tok, err := client.Exchange(ctx, flow, back)
		extra := ""
		if bytes.Contains(tok.Extra, []byte(`"tenant":"t-1"`)) {
			extra = "t-1"
		}
		return tok.AccessToken, tok.RefreshToken, extra, err
	}
}

func xoauth2(c *http.Client) Exchange {
	config := &oauth2.Config{
		ClientID: id, ClientSecret: secret, RedirectURL: redirectURI,
		Endpoint: oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInHeader},
	}
	return func(ctx context.Context) (string, string, string, error) {
		tok, err := config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, c), code, oauth2.VerifierOption(strings.Repeat("v", 43)))
		if err != nil {
			return "", "", "", err
		}
		extra, _ := tok.Extra("tenant").(string)
		return tok.AccessToken, tok.RefreshToken, extra, nil
	}
}

func gothic(c *http.Client) Exchange {
	provider := gitea.NewCustomisedURL(id, secret, redirectURI, "https://as.example/authorize", tokenURL, "https://as.example/me")
	provider.HTTPClient = c
	params := url.Values{"code": {code}}
	return func(context.Context) (string, string, string, error) {
		var s gitea.Session
		_, err := s.Authorize(provider, params)
		return s.AccessToken, s.RefreshToken, "", err
	}
}
