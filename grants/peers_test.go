package grants_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// What users of other libraries suffer from, each as the report has it. Those that are the keeper's alone (stampedes,
// races, captured contexts, early expiry) are in its package.
func TestWhatUsersOfOtherLibrariesSufferFrom(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"a rotated pair is lost because something was validated before it was saved": pairIsNotLost,
		"was the refresh token spent":                          spentOrNot,
		"an outage is treated as a logout":                     outageIsNoLogout,
		"a revocation is treated as an outage":                 revocationIsNoOutage,
		"the request's context ends the refresh an hour later": contextIsNotKept,
		"probing for the authentication style burns codes":     styleIsNotProbed,
		"Basic credentials encoded or raw":                     bothBasics,
		"odd lifetimes":                                        oddLifetimes,
		"unknown members vanish":                               membersStay,
		"a refresh cannot be customized":                       refreshIsCustomized,
		"JSON-bodied endpoints":                                jsonBodies,
		"credentials go to the wrong place":                    credentialsStay,
		"over-strictness after a grant was spent":              leniencyAfterSpending,
		"secrets in errors":                                    bodyIsNotInErrors,
		"user info of another user":                            otherUser,
		"device flow gives up at the first lost connection":    deviceSurvives,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func pairIsNotLost(t *testing.T) {
	for _, odd := range []string{
		`"expires_at":"soon"`, `"expires_in":{}`, `"expires_in":"3600s"`, `"scope":{"a":1}`, `"scope":"openid somethingelse"`, `"token_type":7`,
		`"token_type":"User Access Token"`, `"id_token":"not.a.token"`, `"id_token":[]`, `"refresh_token_expires_in":"never"`, `"":null`,
	} {
		s := answering(t, 200, `{"access_token":"AT2","refresh_token":"RT2",`+odd+`}`)
		c := s.client()
		c.Now = nil
		keep, rec := kept(t, c, expired(), nil)
		rec, err := keep.Get(t.Context(), rec.Handle)
		if err != nil || rec.Token.AccessToken != "AT2" || rec.Token.RefreshToken != "RT2" {
			t.Errorf("%s: %v, %v", odd, rec, err)
		}
	}
}

func spentOrNot(t *testing.T) {
	lost := scripted(t, func(w http.ResponseWriter, _ *http.Request) { reset(t, w) })
	down := scripted(t, nil)
	c := down.client()
	down.Close()
	_, err1 := c.Refresh(t.Context(), &store.Record{Token: expired()})
	_, err2 := lost.client().Refresh(t.Context(), &store.Record{Token: expired()})
	for i, want := range []keeper.Outcome{keeper.RetryLater, keeper.Unknown} {
		var e *grants.Error
		if err := []error{err1, err2}[i]; !errors.As(err, &e) || e.Outcome() != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
	lost.only(t)
}

func outageIsNoLogout(t *testing.T) {
	for body, status := range map[string]int{
		"<html>Request blocked</html>": 403, `{"error":"rate_limited"}`: 403, "": 429, "<html>": 503, `{"message":"no"}`: 401,
		`{"error":"invalid_client"}`: 401, `{"error":"unauthorized_client"}`: 400, `{"error":"temporarily_unavailable"}`: 400,
		`{"error":"invalid_request","error_description":"invalid_grant is what we do not mean"}`: 400, "invalid_grant": 400,
	} {
		c := answering(t, status, body).client()
		c.Now = nil
		keep, rec := kept(t, c, expired(), nil)
		_, err := keep.Get(t.Context(), rec.Handle)
		if !errors.Is(err, keeper.ErrUnavailable) || errors.Is(err, keeper.ErrLoginRequired) {
			t.Errorf("%d %q: %v, want the grant kept", status, body, err)
		}
	}
}

func revocationIsNoOutage(t *testing.T) {
	s := answering(t, 400, `{"error":"invalid_grant"}`)
	keep, rec := kept(t, s.client(), expired(), nil)
	for range 3 {
		if _, err := keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrLoginRequired) {
			t.Errorf("%v", err)
		}
	}
	s.only(t)
}

func contextIsNotKept(t *testing.T) {
	s := answering(t, 200, okBody)
	c := s.client()
	ctx, cancel := context.WithCancel(t.Context())
	tok, err := c.Password(ctx, "u", "p")
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Refresh(t.Context(), &store.Record{Token: tok}); err != nil {
		t.Error(err)
	}
}

func styleIsNotProbed(t *testing.T) {
	for _, auth := range []grants.ClientAuth{grants.ClientSecretBasic, grants.ClientSecretBasicRaw, grants.ClientSecretPost, grants.ClientSecretJSON} {
		s := answering(t, 401, `{"error":"invalid_client"}`)
		c := s.client()
		c.Auth = auth
		f, err := c.AuthorizationCode(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Exchange(t.Context(), f, url.Values{"code": {"C"}, "state": {f.State}})
		var e *grants.Error
		if s.only(t); !errors.As(err, &e) || e.Code != grants.InvalidClient {
			t.Errorf("%v: %v, want the first error", auth, err)
		}
	}
}

func bothBasics(t *testing.T) {
	for auth, want := range map[grants.ClientAuth]string{
		grants.ClientSecretBasic: "Basic aWQ6YSUyRmIlMkJjJTNE", grants.ClientSecretBasicRaw: "Basic aWQ6YS9iK2M9",
	} {
		s := answering(t, 401, "")
		c := s.client()
		c.Auth, c.Secret = auth, "a/b+c="
		_, err := c.Password(t.Context(), "u", "p")
		if got := s.only(t).Header.Get("Authorization"); got != want || !strings.Contains(err.Error(), "this server may want ClientSecretBasic") {
			t.Errorf("%v: %q, %v", auth, got, err)
		}
	}
}

func oddLifetimes(t *testing.T) {
	for member, want := range map[string]time.Duration{
		`"expires_in":"3599"`: 3599 * time.Second, `"expires_in":null`: 0, `"expires":5183999`: 5183999 * time.Second, `"x":1`: 0,
		`"expires_in":15`: 15 * time.Second, `"expires_in":0`: 0, `"expires_in":600000000000`: 10 * 365 * 24 * time.Hour,
	} {
		tok, err := answering(t, 200, `{"access_token":"AT",`+member+`}`).client().Password(t.Context(), "u", "p")
		if got := tok.Expiry.Sub(t0); err != nil || want == 0 && !tok.Expiry.IsZero() || want != 0 && got != want {
			t.Errorf("%s: %v, %v, want %v", member, tok.Expiry, err, want)
		}
	}
}

func membersStay(t *testing.T) {
	s := answering(t, 200, `{"access_token":"AT2","instance_url":"https://eu9.example","patient":"p2"}`)
	c := s.client()
	c.Now = nil
	tok := expired()
	tok.Extra = json.RawMessage(`{"patient":"p1","id":{"a":[1]}}`)
	keep, rec := kept(t, c, tok, nil)
	rec, err := keep.Get(t.Context(), rec.Handle)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(rec.Token.Extra, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"instance_url": "https://eu9.example", "patient": "p2", "id": map[string]any{"a": []any{1.0}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func refreshIsCustomized(t *testing.T) {
	s := answering(t, 200, okBody)
	c := s.client()
	c.Extra = map[string]grants.Extra{"refresh_token": {
		Params: url.Values{"redirect_uri": {"https://app.example/"}, "scope": {"read"}, "resource": {"b", "a"}}, Header: http.Header{"X-Tenant": {"t1"}},
	}}
	if _, err := c.Refresh(t.Context(), &store.Record{Token: expired()}); err != nil {
		t.Fatal(err)
	}
	got := s.only(t)
	want := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {"RT1"}, "redirect_uri": {"https://app.example/"}, "scope": {"read"}, "resource": {"b", "a"},
	}
	if !reflect.DeepEqual(got.form(t), want) || got.Header.Get("X-Tenant") != "t1" || !strings.HasPrefix(got.Header.Get("Authorization"), "Basic ") {
		t.Errorf("%+v", got)
	}
}

func jsonBodies(t *testing.T) {
	s := answering(t, 200, okBody)
	c := s.client()
	c.Encoding = grants.JSON
	_, err1 := c.Password(t.Context(), "u", "p")
	_, err2 := c.Refresh(t.Context(), &store.Record{Token: expired()})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]any{
		{"grant_type": "password", "username": "u", "password": "p"}, {"grant_type": "refresh_token", "refresh_token": "RT1"},
	} {
		if got := s.requests()[i].object(t); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func credentialsStay(t *testing.T) {
	evil := resource(t)
	s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, evil.URL, http.StatusTemporaryRedirect)
	})
	c := s.client()
	c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return nil } // the caller's policy is for other requests
	if _, err := c.Password(t.Context(), "u", "p"); err == nil {
		t.Error("redirected")
	}
	keep, rec := kept(t, c, store.Token{AccessToken: "AT", Expiry: time.Now().Add(time.Hour)}, nil)
	resp, err := keep.Client(rec.Handle, s.URL).Post(s.URL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := evil.only(t); got.Header.Get("Authorization") != "" {
		t.Errorf("%+v", got)
	}
}

func leniencyAfterSpending(t *testing.T) {
	s := answering(t, 201, `{"access_token":"AT2","refresh_token":"RT2","scope":"read admin"}`)
	c := s.client()
	c.StrictTokenType = false
	tok, err := c.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: "RT1", Scopes: []string{"read", "write"}}})
	if err != nil || !slices.Equal(tok.Scopes, []string{"read", "admin"}) || tok.RefreshToken != "RT2" {
		t.Errorf("%v, %v", tok, err)
	}
}

func bodyIsNotInErrors(t *testing.T) {
	for _, status := range []int{200, 400, 403, 500} {
		for _, body := range []string{`{"access_tokem":"AT-marker"}`, `access_token:AT-marker`, `<p>AT-marker`, `{"access_token":["AT-marker"]}`} {
			_, err := answering(t, status, body).client().Password(t.Context(), "u", "p")
			if err == nil || strings.Contains(err.Error(), "marker") {
				t.Errorf("%d %s: %v", status, body, err)
			}
		}
	}
}

func otherUser(t *testing.T) {
	s := answering(t, 200, `{"sub":"user-2"}`)
	err := s.client().UserInfo(t.Context(), store.Token{AccessToken: "AT", IDToken: idToken(t, signer("ES256"), nil)}, new(any))
	if err == nil || !strings.Contains(err.Error(), "sub") {
		t.Error(err)
	}
}

func deviceSurvives(t *testing.T) {
	n := 0
	c := &grants.Client{Provider: "p", TokenURL: "https://as.example/t", ID: "id", Auth: grants.None}
	c.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		if n++; n < 3 {
			return nil, io.ErrUnexpectedEOF
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(okBody)))}, nil
	})}
	tok, err := c.DeviceToken(t.Context(), &grants.DeviceFlow{
		Provider: "p", DeviceCode: "D", Interval: time.Millisecond, Expires: time.Now().Add(time.Hour),
	})
	if err != nil || tok.AccessToken != "AT" || n != 3 {
		t.Errorf("%v, %v after %d polls", tok, err, n)
	}
}
