package grants_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

const ushahidiScopes = "posts media forms api tags savedsearches sets users stats layers config messages notifications contacts " +
	"roles permissions csv dataproviders"

// ushahidi is the client of the Ushahidi v3 document, at a scripted provider.
func ushahidi(s *script) *grants.Client {
	return &grants.Client{
		Provider: "ushahidi", TokenURL: s.URL + "/oauth/token", ID: "ushahidiui", Secret: "35e7f0bca957836d05ca0492211b0ac707671261",
		Auth: grants.ClientSecretJSON, Scopes: strings.Fields(ushahidiScopes),
		Extra: map[string]grants.Extra{"": {Header: http.Header{"Accept": {"application/json, text/plain, */*"}}}},
		HTTP:  s.Client(), Now: fixed,
	}
}

// Ushahidi v3: JSON bodies both ways (H1 to H5).
func TestUshahidi(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{ "access_token":"SrSAFFcWZXkhHuASUyJG2j2aCytzE1L3qzpEEjY7",
  "token_type":"Bearer",
  "expires":1466519207,
  "expires_in":3600,
  "refresh_token":"crxDIzabItL76J3FVr3Br9CVcRKbhEOzC397gLyY",
  "refresh_token_expires_in":604800 }`)
	c := ushahidi(s)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	tok, err := c.Password(t.Context(), "admin", "admin")
	if err != nil {
		t.Fatal(err)
	}
	got := s.only(t)
	h := got.Header // H1
	if got.Method != "POST" || got.URI != "/oauth/token" || h.Get("Content-Type") != "application/json;charset=UTF-8" ||
		h.Get("Accept") != "application/json, text/plain, */*" || h.Get("Authorization") != "" {
		t.Errorf("%+v", got)
	}
	want := map[string]any{
		"client_id": c.ID, "client_secret": c.Secret, "grant_type": "password", "username": "admin", "password": "admin",
		"scope": ushahidiScopes, // H2: one string
	}
	if !reflect.DeepEqual(got.object(t), want) {
		t.Errorf("body %s", got.Body)
	}
	// H3: expires_in counts, so the sample of 2016 gives a live token. H4: the refresh token's own life.
	if tok.Expiry.Sub(t0) != time.Hour || tok.RefreshExpiry.Sub(t0) != 7*24*time.Hour || len(tok.Scopes) != 18 || tok.Extra != nil {
		t.Errorf("%v until %v, extra %s", tok, tok.RefreshExpiry, tok.Extra)
	}
}

// H5: the refresh answer has neither a refresh token nor its lifetime, so both old ones stay.
func TestUshahidiRefresh(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{ "access_token":"HcswOL9C4P5Rif2XKhwayX0RbCdPXeudHRJxycMb",
  "token_type":"Bearer",
  "expires":1466526852,
  "expires_in":3600}`)
	c := ushahidi(s)
	tok, err := c.Refresh(t.Context(), &store.Record{Provider: "ushahidi", Token: store.Token{
		RefreshToken: "crxDIzabItL76J3FVr3Br9CVcRKbhEOzC397gLyY", RefreshExpiry: t0.Add(time.Hour), Scopes: []string{"posts"},
	}})
	if err != nil || tok.RefreshToken != "" || !tok.RefreshExpiry.IsZero() || tok.Expiry.Sub(t0) != time.Hour {
		t.Fatal(tok, err)
	}
	want := map[string]any{
		"client_id": c.ID, "client_secret": c.Secret, "grant_type": "refresh_token",
		"refresh_token": "crxDIzabItL76J3FVr3Br9CVcRKbhEOzC397gLyY",
	}
	if got := s.only(t); !reflect.DeepEqual(got.object(t), want) {
		t.Errorf("body %s", got.Body)
	}
}

// H3: newer servers answer only expires_in, older clients read only expires.
func TestUshahidiExpiryShapes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		`{"access_token":"AT","expires":1466519207,"expires_in":3600}`: time.Hour,
		`{"access_token":"AT","expires_in":3600}`:                      time.Hour,
		`{"access_token":"AT","expires":1767323105}`:                   time.Minute,
	} {
		tok, err := ushahidi(answering(t, 200, body)).Password(t.Context(), "u", "p")
		if err != nil || tok.Expiry.Sub(t0) != want {
			t.Errorf("%s: %v, %v", body, tok, err)
		}
	}
}

// H5, H6, H7: kept by a keeper, the refresh token and its first expiry outlast a refresh; after that expiry the answer is
// "sign in again" without a request; the API gets Bearer with a capital.
func TestUshahidiKept(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, `{"access_token":"AT2","token_type":"bearer","expires":1466526852,"expires_in":3600}`)
	api := resource(t)
	c := ushahidi(s)
	c.Now = nil
	week := time.Now().Add(7 * 24 * time.Hour).Round(time.Second)
	tok := expired()
	tok.RefreshExpiry = week
	keep, rec := kept(t, c, tok, nil)
	resp, err := keep.Client(rec.Handle, api.URL).Get(api.URL + "/api/v3/posts")
	if err != nil || api.only(t).Header.Get("Authorization") != "Bearer AT2" {
		t.Fatal(err)
	}
	resp.Body.Close()
	if rec, err = keep.Get(t.Context(), rec.Handle); err != nil || rec.Token.RefreshToken != "RT1" || !rec.Token.RefreshExpiry.Equal(week) {
		t.Errorf("%v until %v, %v, want RT1 until %v", rec.Token, rec.Token.RefreshExpiry, err, week)
	}
	s.only(t)

	tok.RefreshExpiry = time.Now().Add(-time.Second)
	keep, rec = kept(t, c, tok, nil)
	if _, err := keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrLoginRequired) {
		t.Errorf("%v", err)
	}
	s.only(t)
}

// H8: error bodies of their own keep the status, and only a code can end the grant.
func TestUshahidiErrors(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]keeper.Outcome{
		`{"errors":[{"status":400,"title":"Bad Request","message":"m"}]}`: keeper.RetryLater,
		`{"error":{"message":"m"}}`:                                       keeper.RetryLater,
		`{"errors":[{"error":"invalid_grant","message":"m"}]}`:            keeper.Dead,
		`{"error":"invalid_request","message":"m"}`:                       keeper.ConfigError,
	} {
		_, err := ushahidi(answering(t, 400, body)).Password(t.Context(), "u", "p")
		var e *grants.Error
		if !errors.As(err, &e) || e.Status != 400 || e.Outcome() != want || e.Description == "" {
			t.Errorf("%s: %v, want %v", body, err, want)
		}
	}
}

// What JSON would alter is refused rather than sent as something else.
func TestJSONBodies(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	c := ushahidi(s)
	if _, err := c.Password(t.Context(), "u", "\xff"); err == nil || len(s.requests()) != 0 {
		t.Errorf("%v", err)
	}
	const odd = "\u00e9\"\\<>&\u2028\x00"
	c.Extra = map[string]grants.Extra{"": {Params: map[string][]string{"resource": {"b", "a"}}}}
	if _, err := c.Password(t.Context(), "u", odd); err != nil {
		t.Fatal(err)
	}
	got := s.only(t).object(t)
	if got["password"] != odd || !reflect.DeepEqual(got["resource"], []any{"b", "a"}) {
		t.Errorf("%v", got)
	}
}
