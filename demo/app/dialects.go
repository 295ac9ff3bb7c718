package app

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// dialects are how the systems of five public documents speak: data, not code.
type dialects struct {
	ulule, breakout, ushahidi, google *authserver.Dialect
	house, storm, strict              *authserver.Dialect // the demo's own
}

const (
	readScope    = "read"
	writeScope   = "write"
	usersScope   = "users"
	emailScope   = "https://www.googleapis.com/auth/userinfo.email"
	profileScope = "https://www.googleapis.com/auth/userinfo.profile"
)

var ushahidiScopes = strings.Fields("posts media forms api tags savedsearches sets users stats layers config messages " +
	"notifications contacts roles permissions csv dataproviders")

// newDialects returns them with access tokens of their own lifetime, or of ttl.
func newDialects(ttl time.Duration) *dialects {
	life := func(own time.Duration) time.Duration {
		if ttl > 0 {
			return ttl
		}
		return own
	}
	ululeLife := life(10 * time.Hour)
	return &dialects{
		ulule: &authserver.Dialect{
			TrailingSlash: true, Scopes: []string{readScope, writeScope}, AccessTTL: ululeLife,
			// Rotation with a grace as long as one takeover by another replica lasts: a crash between the provider's
			// commit and ours loses nothing.
			Rotation: authserver.RotateAndRevoke, Grace: min(time.Minute, ululeLife),
		},
		breakout: &authserver.Dialect{
			Scopes: []string{readScope, writeScope}, TokenType: "bearer", AccessTTL: life(12 * time.Hour),
			Reissue: true, Rotation: authserver.RotateNever,
		},
		ushahidi: &authserver.Dialect{
			JSON: true, AuthMethods: []string{"client_secret_post"}, Scopes: ushahidiScopes, AccessTTL: life(time.Hour),
			RefreshTTL: 7 * 24 * time.Hour, Rotation: authserver.RotateNever, OmitRefresh: true,
			Expires: true, RefreshExpiresIn: true,
		},
		google: &authserver.Dialect{
			Scopes: []string{emailScope, profileScope}, AccessTTL: life(time.Hour),
			Rotation: authserver.RotateNever, OmitRefresh: true,
		},
		house: &authserver.Dialect{
			Scopes: []string{readScope, writeScope}, AccessTTL: life(time.Minute), RefreshTTL: 10 * time.Minute,
			RefreshExpiresIn: true, Grace: min(30*time.Second, life(time.Minute)),
		},
		storm:  &authserver.Dialect{Scopes: []string{readScope}, AccessTTL: time.Hour, Grace: time.Minute},
		strict: &authserver.Dialect{Scopes: []string{readScope}, AccessTTL: time.Hour},
	}
}

// knownClients are documented, secrets and all; beyond loopback they get secrets that nobody can guess.
func knownClients(d *dialects, appURL string, random bool) []authserver.Client {
	password := []string{"password", "refresh_token"}
	clients := []authserver.Client{
		{
			ID: "partner", Secret: "partner-secret", Name: "Partner app", Dialect: d.ulule,
			Grants:       []string{"authorization_code", "password", "refresh_token"},
			RedirectURIs: redirects("http://127.0.0.1:8080/callback", appURL+"/callback"),
		},
		{ID: "breakout_app", Secret: "123456789", Name: "BreakOut app", Dialect: d.breakout, Grants: password},
		{
			ID: "ushahidiui", Secret: "35e7f0bca957836d05ca0492211b0ac707671261", Name: "Ushahidi client",
			Dialect: d.ushahidi, Grants: password,
		},
		{
			ID: "google-demo", Secret: "google-secret", Name: "requests-oauthlib script", Dialect: d.google,
			RedirectURIs: redirects("https://your.callback/uri", "http://127.0.0.1:8080/callback", appURL+"/callback/google"),
		},
		{
			ID: "house-app", Secret: "house-secret", Name: "Partner app", Dialect: d.house,
			Grants:       []string{"authorization_code", "password", "refresh_token", deviceGrant},
			RedirectURIs: []string{appURL + "/callback/house"},
		},
		{
			ID: "fragment-app", Secret: "fragment-secret", Name: "Partner app", Dialect: d.house,
			Grants: []string{"implicit"}, RedirectURIs: []string{appURL + "/callback/fragment"},
		},
		{ID: "storm", Secret: "storm-secret", Dialect: d.storm, Grants: password},
		{ID: "storm-strict", Secret: "storm-secret", Dialect: d.strict, Grants: password},
	}
	if random {
		for i := range clients {
			clients[i].Secret = rand.Text()
		}
	}
	return clients
}

// redirects lists each once: the app mostly listens where the documents say.
func redirects(uris ...string) []string {
	slices.Sort(uris)
	return slices.Compact(uris)
}
