package authserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
)

// What no endpoint takes, whatever else it is for: the right status and code, one line in the log, nothing of the request
// in either.
func TestNoEndpointTakes(t *testing.T) {
	t.Parallel()
	const long = 1 << 20
	good := map[string]string{
		"/token": "grant_type=client_credentials", "/revoke": "token=canary-token", "/introspect": "token=canary-token",
		"/device_authorization": "scope=read", "/par": "response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback",
	}
	for path, body := range good {
		for _, tt := range []struct {
			name, method, content, body string
			headers                     []string
			status                      int
			code                        string
		}{
			{"GET", "GET", formBody, body, nil, 405, "invalid_request"},
			{"DELETE", "DELETE", formBody, body, nil, 405, "invalid_request"},
			{"OPTIONS", "OPTIONS", formBody, body, nil, 405, "invalid_request"},
			{"1 MiB", "POST", formBody, body + "&x=" + strings.Repeat("canary", long/6), nil, 413, "invalid_request"},
			{"1 MiB of fields", "POST", formBody, body + strings.Repeat("&x=1", long/4), nil, 413, "invalid_request"},
			{"no content type", "POST", "", body, nil, 400, "invalid_request"},
			{"text", "POST", "text/plain", body, nil, 400, "invalid_request"},
			{"JSON", "POST", "application/json", `{"token":"canary-token"}`, nil, 400, "invalid_request"},
			{"multipart", "POST", "multipart/form-data; boundary=x", body, nil, 400, "invalid_request"},
			{"XML", "POST", "application/xml", "<canary/>", nil, 400, "invalid_request"},
			{"a prefix of the content type", "POST", formBody + "ed", body, nil, 400, "invalid_request"},
			{"a field twice", "POST", formBody, body + "&" + body, nil, 400, "invalid_request"},
			{"a field twice, once empty", "POST", formBody, "scope=&" + body + "&scope=", nil, 400, "invalid_request"},
			{"a field twice, once escaped", "POST", formBody, "scope=read&sc%6fpe=read&" + body, nil, 400, "invalid_request"},
			{"broken escape", "POST", formBody, body + "&x=%zzcanary", nil, 400, "invalid_request"},
			{"broken escape in a name", "POST", formBody, body + "&%zzcanary=x", nil, 400, "invalid_request"},
			{"semicolon", "POST", formBody, body + ";x=1", nil, 400, "invalid_request"},
			{"NUL", "POST", formBody, body + "&scope=%00canary", nil, 400, "invalid_request"},
			{"no UTF-8", "POST", formBody, body + "&scope=canary%ff", nil, 400, "invalid_request"},
			{"wrong secret", "POST", formBody, body, []string{"Basic " + basic("web:canary-wrong")}, 401, "invalid_client"},
			{"two headers", "POST", formBody, body, []string{"Basic " + basic("web:"+secret), "Basic " + basic("web:"+secret)}, 400, "invalid_request"},
			{"Bearer", "POST", formBody, body, []string{"Bearer canary"}, 401, "invalid_client"},
			{"no client", "POST", formBody, body, []string{}, 400, "invalid_client"},
			{"secret in header and body", "POST", formBody, body + "&client_secret=" + secret, nil, 400, "invalid_request"},
		} {
			t.Run(path[1:]+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				svc := newDevices(t, func(set *setup) { set.clients[0].Grants = append(allGrants[:4:4], deviceGrant) })
				svc.mux.Handle("/par", svc.PushedAuthorization())
				r := httptest.NewRequest(tt.method, path, strings.NewReader(tt.body))
				if tt.content != "" {
					r.Header.Set("Content-Type", tt.content)
				}
				if tt.headers == nil {
					tt.headers = []string{"Basic " + basic("web:"+secret)}
				}
				r.Header["Authorization"] = tt.headers
				got := svc.do(r)
				got.want(t, tt.status, tt.code)
				if all := svc.logs.String() + got.body; strings.Contains(all, "canary") || strings.Contains(all, "goroutine") ||
					strings.Count(svc.logs.String(), "\n") != 1 {
					t.Errorf("told %s and logged %s", got.body, svc.logs)
				}
			})
		}
	}
}

// The pages take forms only, and of a bounded size.
func TestNoPageTakes(t *testing.T) {
	t.Parallel()
	svc := newDevices(t, nil)
	for _, path := range []string{"/authorize", "/device"} {
		for name, tt := range map[string]struct {
			content, body string
			status        int
		}{
			"1 MiB": {formBody, "request=" + strings.Repeat("x", 1<<20), 413},
			"JSON":  {"application/json", `{"request":"x"}`, 400},
			"text":  {"text/plain", "request=x", 400},
			"twice": {formBody, "request=x&request=x", 400},
			"empty": {formBody, "request=%00", 400},
			"NUL":   {formBody, "request=x&username=%00", 400},
		} {
			r := httptest.NewRequest("POST", path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.content)
			got := svc.do(r)
			if got.StatusCode != tt.status || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") || strings.Contains(got.body, "xxx") {
				t.Errorf("%s, %s: %d %s", path, name, got.StatusCode, got.body)
			}
		}
	}
}

// A scope is granted whole, as it is spelt, or refused.
func TestScopeGames(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	for scope, want := range map[string]string{
		"read": "read", "read read": "read", " read  write ": "read write", "write read": "write read", "": "read write",
		"READ": "", "rea": "", "readx": "", "read:all": "", "read,write": "", "read+write": "", "read\twrite": "", "read\nwrite": "",
		"read\u00a0write": "", "réad": "", `read"`: "", `read\`: "", "*": "", "read *": "", "openid": "", "offline_access": "",
	} {
		got := svc.post("/token", "grant_type", "client_credentials", "scope", scope)
		if want == "" {
			got.want(t, 400, "invalid_scope")
		} else if text(t, got, "scope") != want {
			t.Errorf("%q granted %v", scope, got.json["scope"])
		}
		if want == "" {
			if _, page := svc.page(codeQuery + "&" + form("scope", scope)); location(t, page).Get("error") != "invalid_scope" {
				t.Errorf("%q: the authorize endpoint says %d %s", scope, page.StatusCode, page.Header.Get("Location"))
			}
		}
	}
	// What a code was for cannot grow when it is redeemed, and what a login was for cannot when it is refreshed.
	code := svc.allow(codeQuery + "&scope=read").Get("code")
	got := svc.post("/token", "grant_type", "authorization_code", "code", code, "redirect_uri", "https://app.example/callback", "scope", "read write")
	if text(t, got, "scope") != "read" {
		t.Errorf("a code for read gave %v", got.json["scope"])
	}
	for _, scope := range []string{"read write", "write", "READ", "read\twrite"} {
		svc.refresh(text(t, got, "refresh_token"), "scope", scope).want(t, 400, "invalid_scope")
	}
}

// Any number of guesses at once gets no more tries than one after the other.
func TestAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		tokens := newService(t, nil).tokens
		clients := plainClients()
		srv, err := authserver.New(tokens, func(ctx context.Context, username, given string) (string, error) {
			asked.Add(1)
			time.Sleep(100 * time.Millisecond) // hashing
			return users(ctx, username, given)
		}, clients, &authserver.Options{MaxAttempts: 3})
		if err != nil {
			t.Fatal(err)
		}
		svc := &service{Server: srv, t: t, mux: http.NewServeMux(), tokens: tokens}
		svc.mux.Handle("/token", srv.Token())
		var wg sync.WaitGroup
		var refused atomic.Int32
		for range 50 {
			wg.Go(func() {
				if svc.post("/token", "grant_type", "password", "username", "bob", "password", "guess").StatusCode == 429 {
					refused.Add(1)
				}
			})
		}
		start := time.Now()
		wg.Go(func() { // others do not wait
			svc.post("/token", "grant_type", "password", "username", "alice@example.org", "password", password).want(t, 200, "")
			if took := time.Since(start); took != 100*time.Millisecond {
				t.Errorf("another account took %s", took)
			}
		})
		wg.Wait()
		if asked.Load() != 4 || refused.Load() != 47 {
			t.Errorf("asked %d times, refused %d, want 4 and 47", asked.Load(), refused.Load())
		}

		// Who does not want to wait any more leaves the queue as it was.
		time.Sleep(15 * time.Minute)
		asked.Store(0)
		wg.Go(func() {
			svc.post("/token", "grant_type", "password", "username", "bob", "password", password).want(t, 200, "")
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "POST", "/token", strings.NewReader("grant_type=password&username=bob&password=guess"))
		r.Header.Set("Content-Type", formBody)
		r.SetBasicAuth("web", secret)
		svc.do(r).want(t, 503, "temporarily_unavailable")
		wg.Wait()
		svc.post("/token", "grant_type", "password", "username", "bob", "password", password).want(t, 200, "")
		if asked.Load() != 2 || srv.Waiting() != 0 {
			t.Errorf("asked %d times, want 2; %d queues are left", asked.Load(), srv.Waiting())
		}
	})
}

// The counter is in the store: a second process knows of the failures at the first.
func TestAttemptsOfTwoProcesses(t *testing.T) {
	t.Parallel()
	var both [2]*service
	both[0] = newService(t, func(set *setup) { set.options.MaxAttempts = 4 })
	twin, err := authserver.New(both[0].tokens, users, plainClients(), &authserver.Options{MaxAttempts: 4})
	if err != nil {
		t.Fatal(err)
	}
	both[1] = &service{Server: twin, t: t, mux: http.NewServeMux(), tokens: both[0].tokens}
	both[1].mux.Handle("/token", twin.Token())
	for i := range 4 {
		both[i%2].post("/token", "grant_type", "password", "username", "bob", "password", "guess").want(t, 400, "invalid_grant")
	}
	for _, svc := range both {
		svc.post("/token", "grant_type", "password", "username", "bob", "password", password).want(t, 429, "temporarily_unavailable")
	}
	if _, err := both[0].tokens.Get(t.Context(), store.Credential("attempts", "bob")); err == nil {
		t.Error("a request could reach the counter")
	}
}

// A body whose length was not told is bounded too, and one that is shorter than told is none.
func TestBodiesOfOtherLengths(t *testing.T) {
	t.Parallel()
	const good = "grant_type=client_credentials"
	for name, tt := range map[string]struct {
		body   string
		length int64
		status int
	}{
		"not told":               {good, -1, 200},
		"not told, and too long": {good + "&x=" + strings.Repeat("x", 1<<20), -1, 413},
		"told shorter":           {good + "&x=1", int64(len(good)), 200}, // a server cuts it there
		"told longer":            {good, int64(len(good)) + 1, 400},
		"told far too long":      {good, 1 << 40, 200}, // what is read counts
	} {
		svc := newService(t, nil)
		r := httptest.NewRequest("POST", "/token", strings.NewReader(tt.body))
		r.ContentLength = tt.length
		r.Header.Set("Content-Type", formBody)
		r.SetBasicAuth("web", secret)
		if got := svc.do(r); got.StatusCode != tt.status {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
}
