package app

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
)

// way is one account system that the app signs people in with.
type way struct {
	ID, Name                         string
	Text                             string // what is special about it
	Code, Password, Implicit, Device bool

	client *grants.Client
	web    *weblogin.Login
}

// Show says whether the page offers it.
func (w *way) Show() bool { return w.Text != "" }

const defaultWay = "ulule"

// newWays returns the app's clients: what a provider is to an app is data.
func (p *partner) newWays() []*way {
	at := p.d.providerURL
	ways := []*way{
		{
			ID: "house", Name: "House", Text: "Plain RFC 6749 with PKCE; access tokens live one minute, refresh tokens rotate.",
			Code: true, Password: true, Device: true, client: &grants.Client{
				Issuer: at, AuthorizeURL: at + "/authorize", TokenURL: at + "/token", RevokeURL: at + "/revoke",
				DeviceURL: at + "/device_authorization", UserInfoURL: at + "/v1/me", ID: "house-app",
			},
		},
		{
			ID: "ulule", Name: "Ulule", Text: "Basic with id and secret as they are, and an address that ends in a slash.",
			Code: true, Password: true, client: p.newUlule(),
		},
		{
			ID: "breakout", Name: "BreakOut", Text: "Password only; the same token again until it expires.",
			Password: true, client: &grants.Client{
				TokenURL: at + "/oauth/token", UserInfoURL: at + "/me/", ID: "breakout_app", Scopes: []string{readScope, writeScope},
			},
		},
		{
			ID: "ushahidi", Name: "Ushahidi", Text: "Password only, in JSON with the client's secret in the body; refresh tokens stay.",
			Password: true, client: &grants.Client{
				TokenURL: at + "/oauth/token", UserInfoURL: at + "/api/v3/users/me", ID: "ushahidiui",
				Auth: grants.ClientSecretJSON, Scopes: ushahidiScopes,
			},
		},
		{
			ID: "google", Name: "Google", Text: "Code only; scopes are URLs, and a refresh answers without a refresh token.",
			Code: true, client: &grants.Client{
				AuthorizeURL: at + "/o/oauth2/auth", TokenURL: at + "/o/oauth2/token", RevokeURL: at + "/o/oauth2/revoke",
				UserInfoURL: at + "/oauth2/v1/userinfo", ID: "google-demo", Auth: grants.ClientSecretPost,
				Scopes: []string{emailScope, profileScope},
				Extra:  map[string]grants.Extra{"authorize": {Params: url.Values{"access_type": {"offline"}}}},
			},
		},
		{
			ID: "fragment", Name: "House, implicit", Text: "The token comes back in the URL's fragment, without a refresh token.",
			Implicit: true, client: &grants.Client{
				AuthorizeURL: at + "/authorize", TokenURL: at + "/token", RevokeURL: at + "/revoke",
				IntrospectURL: at + "/introspect", UserInfoURL: at + "/v1/me", ID: "fragment-app",
			},
		},
	}
	for _, id := range []string{"storm", "storm-strict"} { // the storm's own
		ways = append(ways, &way{ID: id, Password: true, client: stormClient(p.d, id, p.replica, p.out)})
	}
	for _, w := range ways {
		p.complete(w)
	}
	return ways
}

func (p *partner) newUlule() *grants.Client {
	at := p.d.providerURL
	return &grants.Client{
		Issuer: at, AuthorizeURL: at + "/oauth2/authorize/", TokenURL: at + "/oauth2/token/", RevokeURL: at + "/oauth2/revoke/",
		UserInfoURL: at + "/v1/me", ID: "partner", Auth: grants.ClientSecretBasicRaw,
	}
}

// complete fills in what is the same everywhere.
func (p *partner) complete(w *way) {
	c := w.client
	if c.Extra == nil {
		c.Extra = map[string]grants.Extra{}
	}
	c.Extra["refresh_token"] = whoAsks(p.replica)
	c.Provider, c.Secret, c.HTTP = w.ID, p.d.secrets[c.ID], &http.Client{Transport: p.out}
	switch {
	case w.ID == defaultWay:
		c.RedirectURI = p.d.appURL + "/callback"
	case w.Code || w.Implicit:
		c.RedirectURI = p.d.appURL + "/callback/" + w.ID
	}
	if c.AuthorizeURL != "" {
		c.Issuer = p.d.providerURL
	}
}

// stormClient is one of the two that storms play with.
func stormClient(d *surroundings, id string, replica int, transport http.RoundTripper) *grants.Client {
	return &grants.Client{
		Provider: id, TokenURL: d.providerURL + "/" + id + "/token", UserInfoURL: d.providerURL + "/v1/me", ID: id, Secret: d.secrets[id],
		Extra: map[string]grants.Extra{"refresh_token": whoAsks(replica)},
		HTTP:  &http.Client{Transport: transport},
	}
}

// whoAsks has refreshes say which replica sends them: storms and logs are told, nothing else reads it.
func whoAsks(replica int) grants.Extra {
	return grants.Extra{Header: http.Header{replicaHeader: {strconv.Itoa(replica)}}}
}

const replicaHeader = "X-Demo-Replica"

// newLogins makes each way's handlers. All of them start sessions of the same kind.
func (p *partner) newLogins() error {
	var errs []error
	for _, w := range p.ways {
		var err error
		w.web, err = p.newLogin(w.client)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

//show:login

func (p *partner) newLogin(client *grants.Client) (*weblogin.Login, error) {
	identify := func(ctx context.Context, rec *store.Record) error {
		var u user // whose token is it?
		if err := client.UserInfo(ctx, rec.Token, &u); err != nil {
			return err
		}
		rec.Subject = u.ID
		return nil
	}
	return weblogin.New(client, p.session, identify, p.webOptions())
}

//end

func (p *partner) way(id string) *way {
	for _, w := range p.ways {
		if w.ID == id {
			return w
		}
	}
	return nil
}

func (p *partner) clients() grants.Clients {
	var all grants.Clients
	for _, w := range p.ways {
		all = append(all, w.client)
	}
	return all
}
