package grants_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// documented is the client of the requests-oauthlib document's refresh: credentials in the body, no Basic.
func documented(s *script) *grants.Client {
	c := s.client()
	c.ID, c.Secret, c.Auth, c.Now = "foo", "potato", grants.ClientSecretPost, nil
	return c
}

var documentedRefresh = url.Values{
	"grant_type": {"refresh_token"}, "refresh_token": {"RT1"}, "client_id": {"foo"}, "client_secret": {"potato"},
}

const refreshedBody = `{"access_token":"AT2","token_type":"Bearer","expires_in":3600}`

// M1: an expired token is a typed error before any request; the application refreshes, and the old refresh token stays.
func TestManualRefresh(t *testing.T) {
	t.Parallel()
	s, api := answering(t, 200, refreshedBody), resource(t)
	keep, rec := kept(t, documented(s), expired(), &keeper.Options{Mode: keeper.Manual})
	client := keep.Client(rec.Handle, api.URL)
	_, err := client.Get(api.URL + "/profile")
	var stale *keeper.ExpiredError
	var wrapped *url.Error
	if !errors.As(err, &stale) || !errors.As(err, &wrapped) || stale.Record.Token.AccessToken != "AT1" {
		t.Fatalf("%v, want *keeper.ExpiredError in a *url.Error", err)
	}
	if n := len(s.requests()) + len(api.requests()); n != 0 {
		t.Errorf("%d requests before the application decided", n)
	}
	rec, err = keep.Refresh(t.Context(), rec.Handle)
	if err != nil || rec.Token.RefreshToken != "RT1" || rec.Token.Expiry.IsZero() {
		t.Fatal(rec, err)
	}
	if got := s.only(t); !reflect.DeepEqual(got.form(t), documentedRefresh) || got.Header.Get("Authorization") != "" {
		t.Errorf("%+v", got)
	}
	resp, err := client.Get(api.URL + "/profile")
	if err != nil || api.only(t).Header.Get("Authorization") != "Bearer AT2" {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// M2: the refresh happens, the call fails with the new record and is not sent; the repeated call needs no refresh.
func TestSignalledRefresh(t *testing.T) {
	t.Parallel()
	s, api := answering(t, 200, refreshedBody), resource(t)
	keep, rec := kept(t, documented(s), expired(), &keeper.Options{Mode: keeper.Signal})
	client := keep.Client(rec.Handle, api.URL)
	_, err := client.Get(api.URL)
	var updated *keeper.UpdatedError
	if !errors.As(err, &updated) || updated.Record.Token.AccessToken != "AT2" || updated.Record.Token.RefreshToken != "RT1" || len(api.requests()) != 0 {
		t.Fatalf("%v after %d API requests", err, len(api.requests()))
	}
	resp, err := client.Get(api.URL)
	if err != nil || api.only(t).Header.Get("Authorization") != "Bearer AT2" {
		t.Fatal(err)
	}
	resp.Body.Close()
	s.only(t)
}

// M3, M4: the refresh is saved once for all callers, the saver sees the merged record, then every request goes out. A
// saver that fails is heard of and stops nobody: the record is stored already.
func TestAutomaticRefresh(t *testing.T) {
	t.Parallel()
	s, api := answering(t, 200, refreshedBody), resource(t)
	var mu sync.Mutex
	var saved []*store.Record
	o := &keeper.Options{OnRefresh: func(_ context.Context, old, updated *store.Record) error {
		mu.Lock()
		defer mu.Unlock()
		if old.Token.AccessToken != "AT1" {
			t.Errorf("saver hears of %v", old.Token)
		}
		saved = append(saved, updated)
		return errors.New("the application's own table is locked")
	}}
	keep, rec := kept(t, documented(s), expired(), o)
	client := keep.Client(rec.Handle, api.URL)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			resp, err := client.Get(api.URL)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	all.Wait()
	s.only(t)
	mu.Lock()
	defer mu.Unlock()
	if len(saved) != 1 || saved[0].Token.AccessToken != "AT2" || saved[0].Token.RefreshToken != "RT1" {
		t.Errorf("saved %v", saved)
	}
	if n := len(api.requests()); n != 20 {
		t.Errorf("%d API requests, want 20", n)
	}
}

// M5: by default a token counts as expired only once it is; a window is an option.
func TestExpiryBoundary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for window, want := range map[time.Duration]bool{0: false, time.Second: false, 2 * time.Second: true} {
			keep, rec := kept(t, stub(200, nil, nil), store.Token{
				AccessToken: "AT1", RefreshToken: "RT1", Expiry: time.Now().Add(1500 * time.Millisecond),
			}, &keeper.Options{Mode: keeper.Manual, Window: window})
			_, err := keep.Get(t.Context(), rec.Handle)
			var stale *keeper.ExpiredError
			if errors.As(err, &stale) != want {
				t.Errorf("window %v: %v", window, err)
			}
		}
	})
}

// R4: the backend workflow has no refresh token; when the token expires, the grant is repeated.
func TestBackendWorkflow(t *testing.T) {
	t.Parallel()
	s, api := answering(t, 200, refreshedBody), resource(t)
	c := documented(s)
	c.OwnAccount, c.Scopes = true, []string{"read"}
	tok, err := c.ClientCredentials(t.Context())
	if err != nil || tok.RefreshToken != "" {
		t.Fatal(tok, err)
	}
	tok.AccessToken, tok.Expiry = "AT1", time.Now().Add(-time.Second)
	keep, rec := kept(t, c, tok, nil)
	resp, err := keep.Client(rec.Handle, api.URL).Get(api.URL)
	if err != nil || api.only(t).Header.Get("Authorization") != "Bearer AT2" {
		t.Fatal(err)
	}
	resp.Body.Close()
	first, second := s.requests()[0].form(t), s.requests()[1].form(t)
	want := url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}, "client_id": {"foo"}, "client_secret": {"potato"}}
	if !reflect.DeepEqual(first, want) || !reflect.DeepEqual(second, want) {
		t.Errorf("%v, then %v", first, second)
	}
}

// R6: https for the authorize, token and API URLs alike; loopback is the exception.
func TestHTTPSEverywhere(t *testing.T) {
	t.Parallel()
	c := &grants.Client{Provider: "p", AuthorizeURL: "http://as.example/a", TokenURL: "http://as.example/t", ID: "id", Secret: "s"}
	_, err1 := c.AuthorizationCode(t.Context(), nil)
	_, err2 := c.Password(t.Context(), "u", "p")
	keep, rec := kept(t, c, store.Token{AccessToken: "AT", Expiry: time.Now().Add(time.Hour)}, nil)
	_, err3 := keep.Client(rec.Handle, "http://api.example").Get("http://api.example/me")
	for i, err := range []error{err1, err2, err3} {
		if err == nil || !strings.Contains(err.Error(), "https") {
			t.Errorf("%d: %v", i+1, err)
		}
	}
}

// The refresh that an API request sets off sees nothing of that request.
func TestRefreshSeesNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	s, api := answering(t, 200, refreshedBody), resource(t)
	keep, rec := kept(t, documented(s), expired(), nil)
	req := httpRequest(t, "PUT", api.URL+"/orders?note=private", strings.NewReader(`{"iban":"DE00"}`))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cookie", "c=1")
	resp, err := keep.Client(rec.Handle, api.URL).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	got := s.only(t)
	if !reflect.DeepEqual(got.form(t), documentedRefresh) || got.Header.Get("Cookie") != "" || got.URI != "/token" || got.Method != http.MethodPost {
		t.Errorf("%+v", got)
	}
	if a := api.only(t); a.Method != "PUT" || a.Body != `{"iban":"DE00"}` || a.URI != "/orders?note=private" {
		t.Errorf("%+v", a)
	}
}
