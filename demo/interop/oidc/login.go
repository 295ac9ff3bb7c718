package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// login signs alice in by the code flow.
func login(ctx context.Context, c *grants.Client) (store.Token, error) {
	flow, callback, err := authorize(ctx, c, false)
	if err != nil {
		return store.Token{}, err
	}
	return c.Exchange(ctx, flow, callback)
}

func authorize(ctx context.Context, c *grants.Client, cancel bool) (*grants.Flow, url.Values, error) {
	prompt := map[string][]string{"prompt": {"consent"}} // offline_access wants it
	flow, err := c.AuthorizationCode(ctx, &grants.FlowOptions{Params: prompt})
	if err != nil {
		return nil, nil, err
	}
	callback, err := browse(flow.URL, "alice", cancel)
	if err != nil {
		return nil, nil, err
	}
	return flow, callback.Query(), nil
}

func discovery(_ context.Context, w *world) error {
	c := w.found
	for name, set := range map[string]bool{
		"AuthorizeURL": c.AuthorizeURL != "", "TokenURL": c.TokenURL != "", "RevokeURL": c.RevokeURL != "",
		"UserInfoURL": c.UserInfoURL != "", "IntrospectURL": c.IntrospectURL != "", "DeviceURL": c.DeviceURL != "",
		"PARURL": c.PARURL != "", "EndSessionURL": c.EndSessionURL != "", "Keys": c.Keys != nil, "RequireIss": c.RequireIss,
	} {
		if !set {
			return fmt.Errorf("%s is not set", name)
		}
	}
	return c.Validate()
}

func code(ctx context.Context, w *world) error {
	c := w.web()
	flow, callback, err := authorize(ctx, c, false)
	if err != nil {
		return err
	}
	u, err := url.Parse(flow.URL)
	if err != nil {
		return err
	}
	if q := u.Query(); len(q) != 2 || q.Get("request_uri") == "" {
		return fmt.Errorf("the request was not pushed: the browser carries %d parameters", len(q))
	}
	tok, err := c.Exchange(ctx, flow, callback)
	if err != nil {
		return err
	}
	claims, err := c.IDToken(ctx, tok)
	if err != nil {
		return err
	}
	var info struct{ Sub string }
	if err := c.UserInfo(ctx, tok, &info); err != nil {
		return err
	}
	return errors.Join(
		must(claims.Subject == "alice" && info.Sub == "alice", "subjects %q and %q", claims.Subject, info.Sub),
		must(tok.RefreshToken != "" && slices.Contains(tok.Scopes, "openid"), "token %v", tok),
		must(callback.Get("iss") == c.Issuer, "iss %q", callback.Get("iss")),
	)
}

func codeTwice(ctx context.Context, w *world) error {
	c := w.web()
	flow, callback, err := authorize(ctx, c, false)
	if err != nil {
		return err
	}
	if _, err := c.Exchange(ctx, flow, callback); err != nil {
		return err
	}
	_, err = c.Exchange(ctx, flow, callback)
	return must(class(err) == grants.GrantDead, "the second exchange: %v", err)
}

func cancelled(ctx context.Context, w *world) error {
	c := w.web()
	flow, callback, err := authorize(ctx, c, true)
	if err != nil {
		return err
	}
	_, err = c.Exchange(ctx, flow, callback)
	e := (*grants.Error)(nil)
	return must(errors.As(err, &e) && e.Code == grants.AccessDenied, "the exchange: %v", err)
}

func post(ctx context.Context, w *world) error {
	c := w.client("post", "secret-of-post", grants.ClientSecretPost, "openid")
	tok, err := login(ctx, c)
	if err != nil {
		return err
	}
	_, err = c.Refresh(ctx, &store.Record{Token: tok})
	return err
}

func public(ctx context.Context, w *world) error {
	c := w.client("public", "", grants.None, "openid")
	tok, err := login(ctx, c)
	if err != nil {
		return err
	}
	_, err = c.Refresh(ctx, &store.Record{Token: tok})
	return err
}

func logout(ctx context.Context, w *world) error {
	c := w.web()
	tok, err := login(ctx, c)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.LogoutURL(tok, ""), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return must(resp.StatusCode == http.StatusOK && forms.Match(body), "status %d", resp.StatusCode)
}
