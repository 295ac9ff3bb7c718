package grants_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// BreakOut: password and refresh (B1 to B6).
func TestBreakOut(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{
  "access_token": "YOURACCESSTOKEN",
  "token_type": "bearer",
  "refresh_token": "YOURREFRESHTOKEN",
  "expires_in": 42961,
  "scope": "read write"
}`)
	c := &grants.Client{
		Provider: "breakout", TokenURL: s.URL + "/oauth/token", UserInfoURL: s.URL + "/me/", ID: "breakout_app", Secret: "123456789",
		Scopes: []string{"read", "write"}, HTTP: s.Client(), Now: fixed,
	}
	tok, err := c.Password(t.Context(), "admin@break-out.org", "password")
	if err != nil {
		t.Fatal(err)
	}
	got := s.only(t)
	h := got.Header // B1
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("breakout_app:123456789"))
	if got.Method != "POST" || got.URI != "/oauth/token" || h.Get("Accept") != "application/json" ||
		h.Get("Content-Type") != "application/x-www-form-urlencoded" || h.Get("Authorization") != basic {
		t.Errorf("%+v", got)
	}
	// B2: the sample, in whatever order.
	const sample = "username=admin%40break-out.org&password=password&grant_type=password&scope=read+write"
	if want, _ := url.ParseQuery(sample); !reflect.DeepEqual(got.form(t), want) || len(got.Body) != 85 ||
		!strings.Contains(got.Body, "username=admin%40break-out.org") || !strings.Contains(got.Body, "scope=read+write") {
		t.Errorf("body %q", got.Body)
	}
	// B4: what is left of an older token's life, to the second.
	if tok.Expiry.Sub(t0) != 42961*time.Second || tok.TokenType != "bearer" || !slices.Equal(tok.Scopes, []string{"read", "write"}) {
		t.Errorf("%v", tok)
	}

	rt := strings.Repeat("r", 36)
	if _, err := c.Refresh(t.Context(), &store.Record{Provider: "breakout", Token: store.Token{RefreshToken: rt}}); err != nil {
		t.Fatal(err)
	}
	again := s.requests()[1]
	want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {rt}} // B5: no scope
	if !reflect.DeepEqual(again.form(t), want) || len(again.Body) != 75 || again.Header.Get("Authorization") != basic {
		t.Errorf("%+v", again)
	}

	c.Extra = map[string]grants.Extra{"userinfo": {Header: map[string][]string{"Content-Type": {"application/json"}}}}
	if err := c.UserInfo(t.Context(), tok, new(any)); err != nil {
		t.Fatal(err)
	}
	me := s.requests()[2] // B3, B6: Bearer with a capital, the slash kept, a content type on a GET
	if me.Method != "GET" || me.URI != "/me/" || me.Header.Get("Authorization") != "Bearer YOURACCESSTOKEN" ||
		me.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", me)
	}
}

// B4: a server that gives an existing token again, with what is left of its life, is not asked again and again.
func TestBreakOutGivesTheSameTokenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		end := time.Now().Add(12 * time.Hour)
		c := &grants.Client{Provider: "breakout", TokenURL: "https://backend.break-out.org/oauth/token", ID: "breakout_app", Secret: "123456789"}
		c.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			asked++
			body := fmt.Sprintf(`{"access_token":"AT","token_type":"bearer","refresh_token":"RT","expires_in":%d}`, int(time.Until(end).Seconds()))
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
		})}
		tok, err := c.Password(t.Context(), "admin@break-out.org", "password")
		if err != nil {
			t.Fatal(err)
		}
		asked = 0
		keep, rec := kept(t, c, tok, nil)
		time.Sleep(12*time.Hour - time.Minute) // in the window of early refreshes
		for range 50 {
			if _, err := keep.Get(t.Context(), rec.Handle); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if asked != 1 {
			t.Errorf("asked %d times for a token that stays the same, want once", asked)
		}
		if err := keep.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
