package issue

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
)

// unhashed compares secrets as they are: hashing is left out of this table.
type unhashed struct{}

func (unhashed) Hash(_ context.Context, data []byte) ([]byte, error) { return data, nil }

func (unhashed) Compare(_ context.Context, hash, data []byte) error {
	if subtle.ConstantTimeCompare(hash, data) != 1 {
		return errors.New("another secret")
	}
	return nil
}

func fositeServer(tokens any, closer func() error) (*Server, error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	config := &fosite.Config{GlobalSecret: secret, ClientSecretsHasher: unhashed{}, RefreshTokenScopes: []string{}, TokenURL: "https://as.example/token"}
	provider := compose.Compose(config, tokens, compose.NewOAuth2HMACStrategy(config),
		compose.OAuth2ResourceOwnerPasswordCredentialsFactory, compose.OAuth2RefreshTokenGrantFactory, compose.OAuth2TokenIntrospectionFactory)
	return &Server{
		Token: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			request, err := provider.NewAccessRequest(ctx, r, &fosite.DefaultSession{Subject: "user-4711"})
			if err != nil {
				provider.WriteAccessError(ctx, w, request, err)
				return
			}
			for _, scope := range request.GetRequestedScopes() {
				request.GrantScope(scope)
			}
			response, err := provider.NewAccessResponse(ctx, request)
			if err != nil {
				provider.WriteAccessError(ctx, w, request, err)
				return
			}
			provider.WriteAccessResponse(ctx, w, request, response)
		}),
		Introspect: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			response, err := provider.NewIntrospectionRequest(ctx, r, &fosite.DefaultSession{})
			if err != nil {
				provider.WriteIntrospectionError(ctx, w, err)
				return
			}
			provider.WriteIntrospectionResponse(ctx, w, response)
		}),
		Close: closer,
	}, nil
}

func fositeMemory() *storage.MemoryStore {
	memory := storage.NewMemoryStore()
	memory.Clients[clientID] = &fosite.DefaultClient{
		ID: clientID, Secret: []byte(clientSecret), GrantTypes: []string{"password", "refresh_token"}, Scopes: []string{"profile"},
	}
	memory.Users[userName] = storage.MemoryUserRelation{Username: userName, Password: userPassword}
	return memory
}

func fositeInMemory(string) (*Server, error) { return fositeServer(fositeMemory(), nil) }

// fositeTables keeps tokens in SQLite, and clients and users in memory. The layout is that of the library's memory store: a
// row for each token by its signature, found by request for revocation.
type fositeTables struct {
	*storage.MemoryStore
	*statements
}

func fositeOnSQLite(dir string) (*Server, error) {
	texts := map[string]string{}
	var schema []string
	for _, table := range []string{"access", "refresh"} {
		schema = append(schema, `CREATE TABLE `+table+` (signature TEXT PRIMARY KEY, request TEXT NOT NULL, active INTEGER NOT NULL, data BLOB NOT NULL)`,
			`CREATE INDEX `+table+`_by_request ON `+table+` (request)`)
		texts["+"+table] = `INSERT INTO ` + table + ` (signature, request, active, data) VALUES (?, ?, 1, ?)`
		texts[table] = `SELECT active, data FROM ` + table + ` WHERE signature = ?`
		texts["-"+table] = `DELETE FROM ` + table + ` WHERE signature = ?`
	}
	texts["revoke access"] = `DELETE FROM access WHERE request = ?`
	texts["revoke refresh"] = `UPDATE refresh SET active = 0 WHERE request = ?`
	s, err := open(dir, schema, texts)
	if err != nil {
		return nil, err
	}
	return fositeServer(fositeTables{fositeMemory(), s}, s.db.Close)
}

// saved is what a fosite.Request comes to on disk.
type saved struct {
	ID        string
	At        time.Time
	Client    string
	Requested []string
	Granted   []string
	Form      url.Values
	Session   *fosite.DefaultSession
}

func (t fositeTables) insert(ctx context.Context, table, signature string, r fosite.Requester) error {
	session, _ := r.GetSession().(*fosite.DefaultSession)
	data, err := json.Marshal(saved{
		ID: r.GetID(), At: r.GetRequestedAt(), Client: r.GetClient().GetID(), Requested: r.GetRequestedScopes(),
		Granted: r.GetGrantedScopes(), Session: session,
	})
	if err != nil {
		return err
	}
	return t.exec(ctx, "+"+table, signature, r.GetID(), data)
}

func (t fositeTables) find(ctx context.Context, table, signature string) (fosite.Requester, error) {
	var active bool
	var data []byte
	switch err := t.stmt[table].QueryRowContext(ctx, signature).Scan(&active, &data); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fosite.ErrNotFound
	case err != nil:
		return nil, err
	}
	var kept saved
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, err
	}
	client, err := t.GetClient(ctx, kept.Client)
	if err != nil {
		return nil, err
	}
	r := &fosite.Request{
		ID: kept.ID, RequestedAt: kept.At, Client: client, RequestedScope: kept.Requested, GrantedScope: kept.Granted,
		Form: url.Values{}, Session: kept.Session,
	}
	if !active {
		return r, fosite.ErrInactiveToken
	}
	return r, nil
}

func (t fositeTables) CreateAccessTokenSession(ctx context.Context, signature string, r fosite.Requester) error {
	return t.insert(ctx, "access", signature, r)
}

func (t fositeTables) GetAccessTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	return t.find(ctx, "access", signature)
}

func (t fositeTables) DeleteAccessTokenSession(ctx context.Context, signature string) error {
	return t.exec(ctx, "-access", signature)
}

func (t fositeTables) CreateRefreshTokenSession(ctx context.Context, signature, _ string, r fosite.Requester) error {
	return t.insert(ctx, "refresh", signature, r)
}

func (t fositeTables) GetRefreshTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	return t.find(ctx, "refresh", signature)
}

func (t fositeTables) DeleteRefreshTokenSession(ctx context.Context, signature string) error {
	return t.exec(ctx, "-refresh", signature)
}

func (t fositeTables) RotateRefreshToken(ctx context.Context, requestID, _ string) error {
	return errors.Join(t.RevokeRefreshToken(ctx, requestID), t.RevokeAccessToken(ctx, requestID))
}

func (t fositeTables) RevokeRefreshToken(ctx context.Context, requestID string) error {
	return t.exec(ctx, "revoke refresh", requestID)
}

func (t fositeTables) RevokeAccessToken(ctx context.Context, requestID string) error {
	return t.exec(ctx, "revoke access", requestID)
}
