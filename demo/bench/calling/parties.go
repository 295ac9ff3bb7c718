package calling

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/markbates/goth/providers/gitea"
	"golang.org/x/oauth2"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// scenario is what the parties of a storm start from: an expired token and a refresh token.
type scenario struct {
	TokenURL string
	Refresh  string
	Dir      string       // shared by the processes
	HTTP     *http.Client `json:"-"` // nil: a fresh one
}

func (s *scenario) client() *http.Client {
	if s.HTTP != nil {
		return s.HTTP
	}
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: 10 * time.Second}
}

// get is one caller asking for a token that works.
type get func(ctx context.Context) (string, error)

// party joins a scenario. first is called once, by one process, before the others join.
type party struct {
	name  string
	role  measure.Role
	first func(s *scenario) error
	join  func(s *scenario) (get, func() error, error)
}

var (
	floorParty  = party{"floor: a bare single flight", measure.Floor, nil, joinFloor}
	memoryParty = party{"tokenkeep: keeper, memstore", measure.Ours, nil, joinMemory}
	sqliteParty = party{"tokenkeep: keeper, sqlitestore", measure.Ours, startSQLite, joinSQLite}
	sharedParty = party{"x/oauth2: one shared source", measure.Peer, nil, joinShared}
	singleParty = party{"x/oauth2: a client per request", measure.Peer, nil, joinSingle}
	gothParty   = party{"goth: RefreshToken when expired", measure.Peer, nil, joinGoth}
)

var expired = time.Now().Add(-time.Minute)

func joinFloor(s *scenario) (get, func() error, error) {
	var mu sync.Mutex
	var token string
	var failed error
	done, client := false, s.client()
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if !done {
			done = true
			token, failed = post(client, s)
		}
		return token, failed
	}, nil, nil
}

func post(client *http.Client, s *scenario) (string, error) {
	resp, err := client.PostForm(s.TokenURL, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.Refresh}})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	if err == nil && answer.AccessToken == "" {
		err = errors.New("refused")
	}
	return answer.AccessToken, err
}

var grantKey = store.Key("storm", "user-4711")

func joined(tokens store.TokenStore, s *scenario) (get, *keeper.Keeper, error) {
	client := &grants.Client{Provider: "storm", TokenURL: s.TokenURL, ID: "app", Secret: "secret", HTTP: s.client()}
	keep, err := keeper.New(tokens, client, nil)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) (string, error) {
		rec, err := keep.Get(ctx, grantKey)
		if err != nil {
			return "", err
		}
		return rec.Token.AccessToken, nil
	}, keep, nil
}

func begin(keep *keeper.Keeper, s *scenario) error {
	_, err := keep.Start(context.Background(), grantKey, &store.Record{Provider: "storm", Token: store.Token{
		AccessToken: "access-0", TokenType: "Bearer", RefreshToken: s.Refresh, Expiry: expired,
	}})
	return err
}

func joinMemory(s *scenario) (get, func() error, error) {
	tokens, err := memstore.New(nil)
	if err != nil {
		return nil, nil, err
	}
	g, keep, err := joined(tokens, s)
	if err != nil {
		return nil, nil, err
	}
	return g, func() error { return keep.Close(context.Background()) }, begin(keep, s)
}

// openSQLite opens the one file of a storm; all its processes have the same key.
func openSQLite(s *scenario) (*sqlitestore.Store, error) {
	ring, err := seal.New([]byte("\x8f\x1a2\xd4\x9e\x07\x6b\xc3\x55\xf0\x21\x7e\xba\x48\x93\x0d\xe6\x5c\x39\xa7\x12\xcb\x84\x6f\x3d\xf9\x50\x2e\xb1\x77\x0a\xe8"))
	if err != nil {
		return nil, err
	}
	return sqlitestore.Open(filepath.Join(s.Dir, "storm.db"), ring, nil)
}

func startSQLite(s *scenario) error {
	tokens, err := openSQLite(s)
	if err != nil {
		return err
	}
	defer tokens.Close()
	_, keep, err := joined(tokens, s)
	if err != nil {
		return err
	}
	return errors.Join(begin(keep, s), keep.Close(context.Background()))
}

func joinSQLite(s *scenario) (get, func() error, error) {
	tokens, err := openSQLite(s)
	if err != nil {
		return nil, nil, err
	}
	g, keep, err := joined(tokens, s)
	if err != nil {
		return nil, nil, err
	}
	return g, func() error { return errors.Join(keep.Close(context.Background()), tokens.Close()) }, nil
}

func config(s *scenario) (*oauth2.Config, *oauth2.Token, context.Context) {
	c := &oauth2.Config{ClientID: "app", ClientSecret: "secret", Endpoint: oauth2.Endpoint{TokenURL: s.TokenURL, AuthStyle: oauth2.AuthStyleInHeader}}
	token := &oauth2.Token{AccessToken: "access-0", TokenType: "Bearer", RefreshToken: s.Refresh, Expiry: expired}
	return c, token, context.WithValue(context.Background(), oauth2.HTTPClient, s.client())
}

func joinShared(s *scenario) (get, func() error, error) {
	c, token, ctx := config(s)
	source := c.TokenSource(ctx, token)
	return func(context.Context) (string, error) { return text(source.Token()) }, nil, nil
}

func joinSingle(s *scenario) (get, func() error, error) {
	c, token, ctx := config(s)
	return func(context.Context) (string, error) { return text(c.TokenSource(ctx, token).Token()) }, nil, nil
}

func joinGoth(s *scenario) (get, func() error, error) {
	p := gitea.NewCustomisedURL("app", "secret", "", "", s.TokenURL, "")
	p.HTTPClient = s.client()
	return func(context.Context) (string, error) { return text(p.RefreshToken(s.Refresh)) }, nil, nil
}
