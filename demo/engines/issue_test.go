package engines_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// Whatever an authorization server issues for one use works once: fifty times over, eight requests use one credential at
// the same time, half of them at another server on the same data, every call of the store takes 2 ms more than the engine
// does, and exactly one request succeeds.
func TestEachCredentialWorksOnce(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) [2]store.TokenStore{
		"sqlite": openSQLite, "redis": openRedis, "postgres": openEngine(engines[0]), "mysql": openEngine(engines[1]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, open(t))
			for _, c := range []struct {
				name  string
				fresh func(*testing.T) url.Values // a request that holds a credential never used
			}{
				{"code", p.code},
				{"refresh token, revoking", func(t *testing.T) url.Values { return p.refreshToken(t, "revoking") }},
				{"refresh token, rotating", func(t *testing.T) url.Values { return p.refreshToken(t, "rotating") }},
				{"device code", p.deviceCode},
			} {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					successes := 0
					for range 50 {
						successes += p.useAtOnce(t, c.fresh(t))
					}
					if successes != 50 {
						t.Errorf("%d successes of 50 credentials, want 50", successes)
					}
				})
			}
		})
	}
}

func openEngine(e engine) func(*testing.T) [2]store.TokenStore {
	return func(t *testing.T) [2]store.TokenStore {
		e.need(t)
		f := newStore(t, e)
		return [2]store.TokenStore{f.Store, f.peer(t).Store}
	}
}

// openSQLite opens one file twice, as two processes do.
func openSQLite(t *testing.T) (pair [2]store.TokenStore) {
	ring, path := newRing(t), filepath.Join(t.TempDir(), "tokens.db")
	for i := range pair {
		s, err := sqlitestore.Open(path, ring, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		pair[i] = s
	}
	return pair
}

func openRedis(t *testing.T) (pair [2]store.TokenStore) {
	addr := os.Getenv("TOKENKEEP_REDIS")
	if addr == "" {
		t.Skip("TOKENKEEP_REDIS is not set: give it the address of a server, such as 127.0.0.1:6379")
	}
	ring, prefix := newRing(t), "engines-"+rand.Text()+":"
	for i := range pair {
		client := redis.NewClient(&redis.Options{Addr: addr})
		s, err := redisstore.New(client, ring, &redisstore.Options{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx := context.Background()
			for keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator(); keys.Next(ctx); {
				client.Del(ctx, keys.Val())
			}
			client.Close()
		})
		pair[i] = s
	}
	return pair
}

// distant is a store 2 ms away.
type distant struct{ store.TokenStore }

const distance = 2 * time.Millisecond

func (d distant) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	time.Sleep(distance)
	return d.TokenStore.Get(ctx, h)
}

func (d distant) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	time.Sleep(distance)
	return d.TokenStore.Put(ctx, h, rec)
}

func (d distant) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	time.Sleep(distance)
	return d.TokenStore.Delete(ctx, h, v)
}

// provider is two servers that share their data.
type provider [2]*authserver.Server

func newProvider(t *testing.T, stores [2]store.TokenStore) (p provider) {
	for i := range p {
		var err error
		p[i], err = authserver.New(distant{stores[i]}, nil, []authserver.Client{
			{ID: "revoking", Secret: "s", RedirectURIs: []string{"https://app.example/"}},
			{ID: "tv", Grants: []string{deviceGrant}},
			{ID: "rotating", Secret: "s", RedirectURIs: []string{"https://app.example/"},
				Dialect: &authserver.Dialect{Rotation: authserver.RotateOnly}},
		}, &authserver.Options{VerificationURI: "https://as.example/device", Authenticate: func(http.ResponseWriter, *http.Request) (string, bool) { return "user", true }})
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func post(h http.Handler, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// useAtOnce posts form eight times at once and returns how often it succeeded.
func (p provider) useAtOnce(t *testing.T, form url.Values) (successes int) {
	answers := make([]*httptest.ResponseRecorder, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = post(p[i%2].Token(), form) })
	}
	wg.Wait()
	for _, w := range answers {
		switch {
		case w.Code == http.StatusOK:
			successes++
		case w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"invalid_grant"`):
			t.Errorf("a loser got %d %s", w.Code, w.Body)
		}
	}
	return successes
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// deviceCode connects a device.
func (p provider) deviceCode(t *testing.T) url.Values {
	var told struct {
		Device string `json:"device_code"`
		User   string `json:"user_code"`
	}
	w := post(p[0].DeviceAuthorization(), url.Values{"client_id": {"tv"}})
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told.Device == "" {
		t.Fatalf("no device code: %d %s", w.Code, w.Body)
	}
	page := post(p[0].DevicePage(), url.Values{"user_code": {told.User}})
	m := carried.FindStringSubmatch(page.Body.String())
	if m == nil {
		t.Fatalf("no page: %d %s", page.Code, page.Body)
	}
	if w := post(p[0].DevicePage(), url.Values{"request": {html.UnescapeString(m[1])}, "decision": {"allow"}}); w.Code != http.StatusOK {
		t.Fatalf("not allowed: %d %s", w.Code, w.Body)
	}
	return url.Values{"grant_type": {deviceGrant}, "device_code": {told.Device}, "client_id": {"tv"}}
}

var carried = regexp.MustCompile(`name="request" value="([^"]+)"`)

// code walks through the authorize page of the first server.
func (p provider) code(t *testing.T) url.Values { return p.codeOf(t, "revoking") }

func (p provider) codeOf(t *testing.T, client string) url.Values {
	page := httptest.NewRecorder()
	p[0].Authorize().ServeHTTP(page, httptest.NewRequest("GET", "/?response_type=code&client_id="+client, nil))
	m := carried.FindStringSubmatch(page.Body.String())
	if m == nil {
		t.Fatalf("no page: %d %s", page.Code, page.Body)
	}
	sent := post(p[0].Authorize(), url.Values{"request": {html.UnescapeString(m[1])}, "decision": {"allow"}})
	to, err := url.Parse(sent.Header().Get("Location"))
	if err != nil || !to.Query().Has("code") {
		t.Fatalf("no code: %d %s", sent.Code, sent.Body)
	}
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {to.Query().Get("code")}, "client_id": {client}, "client_secret": {"s"},
	}
}

// refreshToken redeems a code.
func (p provider) refreshToken(t *testing.T, client string) url.Values {
	var told struct {
		Refresh string `json:"refresh_token"`
	}
	w := post(p[0].Token(), p.codeOf(t, client))
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || told.Refresh == "" {
		t.Fatalf("no refresh token: %d %s", w.Code, w.Body)
	}
	return url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {told.Refresh}, "client_id": {client}, "client_secret": {"s"},
	}
}
