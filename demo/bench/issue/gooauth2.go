package issue

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-oauth2/oauth2/v4"
	oauth2errors "github.com/go-oauth2/oauth2/v4/errors"
	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/models"
	"github.com/go-oauth2/oauth2/v4/server"
	oauth2store "github.com/go-oauth2/oauth2/v4/store"
)

// goOAuth2 wires the server as its README does, and adds what its honesty needs: the client's secret is checked before a
// refresh too, which the library itself does not do.
func goOAuth2(tokens oauth2.TokenStore, closer func() error) (*Server, error) {
	clients := oauth2store.NewClientStore()
	if err := clients.Set(clientID, &models.Client{ID: clientID, Secret: clientSecret}); err != nil {
		return nil, err
	}
	manager := manage.NewDefaultManager()
	manager.MapClientStorage(clients)
	manager.MapTokenStorage(tokens)
	srv := server.NewDefaultServer(manager)
	srv.SetAllowedGrantType(oauth2.PasswordCredentials, oauth2.Refreshing)
	authenticate := func(r *http.Request) (string, string, error) {
		id, secret, ok := r.BasicAuth()
		if !ok || id != clientID || subtle.ConstantTimeCompare([]byte(secret), []byte(clientSecret)) != 1 {
			return "", "", oauth2errors.ErrInvalidClient
		}
		return id, secret, nil
	}
	srv.SetClientInfoHandler(authenticate)
	srv.SetPasswordAuthorizationHandler(func(_ context.Context, _, name, password string) (string, error) {
		if name != userName || password != userPassword {
			return "", oauth2errors.ErrInvalidGrant
		}
		return "user-4711", nil
	})
	return &Server{
		Token: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = srv.HandleTokenRequest(w, r) }),
		// The library has no introspection endpoint: this is the least one.
		Introspect: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, err := authenticate(r); err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			out := map[string]any{"active": false}
			if info, err := manager.LoadAccessToken(r.Context(), r.FormValue("token")); err == nil {
				out = map[string]any{
					"active": true, "client_id": info.GetClientID(), "sub": info.GetUserID(), "scope": info.GetScope(),
					"exp": info.GetAccessCreateAt().Add(info.GetAccessExpiresIn()).Unix(),
				}
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(out)
		}),
		Close: closer,
	}, nil
}

func goOAuth2InMemory(string) (*Server, error) {
	tokens, err := oauth2store.NewMemoryTokenStore()
	if err != nil {
		return nil, err
	}
	return goOAuth2(tokens, nil)
}

// goOAuth2Table is the layout of the library's SQL stores: one row, found by each of its three texts, the rest as JSON.
type goOAuth2Table struct {
	*statements
}

func goOAuth2OnSQLite(dir string) (*Server, error) {
	s, err := open(dir, []string{
		`CREATE TABLE tokens (code TEXT, access TEXT, refresh TEXT, data BLOB NOT NULL)`,
		`CREATE INDEX by_access ON tokens (access)`, `CREATE INDEX by_refresh ON tokens (refresh)`, `CREATE INDEX by_code ON tokens (code)`,
	}, map[string]string{
		"create":  `INSERT INTO tokens (code, access, refresh, data) VALUES (?, ?, ?, ?)`,
		"access":  `SELECT data FROM tokens WHERE access = ?`,
		"refresh": `SELECT data FROM tokens WHERE refresh = ?`, "code": `SELECT data FROM tokens WHERE code = ?`,
		"-access": `UPDATE tokens SET access = '' WHERE access = ?`, "-refresh": `DELETE FROM tokens WHERE refresh = ?`,
		"-code": `DELETE FROM tokens WHERE code = ?`,
	})
	if err != nil {
		return nil, err
	}
	return goOAuth2(goOAuth2Table{s}, s.db.Close)
}

func (t goOAuth2Table) Create(ctx context.Context, info oauth2.TokenInfo) error {
	data, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return t.exec(ctx, "create", info.GetCode(), info.GetAccess(), info.GetRefresh(), data)
}

func (t goOAuth2Table) RemoveByCode(ctx context.Context, v string) error {
	return t.exec(ctx, "-code", v)
}

func (t goOAuth2Table) RemoveByAccess(ctx context.Context, v string) error {
	return t.exec(ctx, "-access", v)
}

func (t goOAuth2Table) RemoveByRefresh(ctx context.Context, v string) error {
	return t.exec(ctx, "-refresh", v)
}

func (t goOAuth2Table) GetByCode(ctx context.Context, v string) (oauth2.TokenInfo, error) {
	return t.find(ctx, "code", v)
}

func (t goOAuth2Table) GetByAccess(ctx context.Context, v string) (oauth2.TokenInfo, error) {
	return t.find(ctx, "access", v)
}

func (t goOAuth2Table) GetByRefresh(ctx context.Context, v string) (oauth2.TokenInfo, error) {
	return t.find(ctx, "refresh", v)
}

func (t goOAuth2Table) find(ctx context.Context, by, v string) (oauth2.TokenInfo, error) {
	var data []byte
	switch err := t.stmt[by].QueryRowContext(ctx, v).Scan(&data); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var info models.Token
	return &info, json.Unmarshal(data, &info)
}
