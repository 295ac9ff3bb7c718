package interop_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/tokenkeep/tokenkeep/demo/interop"
	"github.com/tokenkeep/tokenkeep/grants/granttest"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// source is a signed-in user's, whose access token has expired.
func source(t *testing.T, p *granttest.Provider) interop.Source {
	t.Helper()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	keep, err := keeper.New(tokens, p.Client, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keep.Close(t.Context()) })
	token, err := p.Client.Password(t.Context(), "alice", granttest.Password)
	if err != nil {
		t.Fatal(err)
	}
	token.Expiry = time.Now()
	rec, err := keep.Start(t.Context(), store.Key("partner", "alice"), &store.Record{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return interop.Source{Context: t.Context(), Keeper: keep, Handle: rec.Handle}
}

// x/oauth2's client calls an API with the keeper's token, which is refreshed once.
func TestSource(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	src := source(t, p)
	var _ oauth2.TokenSource = src
	client := oauth2.NewClient(t.Context(), src)
	for range 3 {
		resp, err := client.Get(p.Client.UserInfoURL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if n := len(p.Requests("refresh_token")); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	token, err := src.Token()
	if err != nil || token.RefreshToken != "" || time.Until(token.Expiry) < 59*time.Minute {
		t.Errorf("the source gives refresh token %q, expiry %v, error %v", token.RefreshToken, token.Expiry, err)
	}
}

// The keeper's errors come through x/oauth2 and net/http.
func TestSourceErrors(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	src := source(t, p)
	if err := p.Server().EndSubject(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	_, err := oauth2.NewClient(t.Context(), src).Get(p.Client.UserInfoURL)
	if !errors.Is(err, keeper.ErrLoginRequired) {
		t.Errorf("got %v, want ErrLoginRequired", err)
	}
	if n := len(p.Requests("userinfo")); n != 0 {
		t.Errorf("%d requests went out without a token", n)
	}
}
