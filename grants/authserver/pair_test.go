package authserver_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
)

// introspects reports whether the client "web" is told that a token is active.
func (s *service) introspects(token string) bool {
	s.t.Helper()
	got := s.post("/introspect", "token", token)
	got.want(s.t, 200, "")
	return got.json["active"] == true
}

// stored returns the record of a token's pair.
func (s *service) stored(token string) *store.Record {
	s.t.Helper()
	rec, err := s.tokens.Get(s.t.Context(), store.Key("authserver", "pair", token[:26]))
	if err != nil {
		s.t.Fatal(err)
	}
	return rec
}

// A token's ID is no secret: whoever knows it, or has the other token of the pair, is believed nothing, and ends nothing.
func TestOnlyTheSecretIsBelieved(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	access, refresh := svc.login()
	later := svc.refresh(refresh)
	access2, refresh2 := text(t, later, "access_token"), text(t, later, "refresh_token")
	for _, pair := range [][2]string{{access, refresh}, {access2, refresh2}} {
		if pair[0][:26] != pair[1][:26] || pair[0][26:] == pair[1][26:] {
			t.Fatal("the tokens are not one pair's")
		}
	}
	for i := range refresh2 { // each character counts
		flipped := []byte(refresh2)
		if flipped[i] = 'A'; refresh2[i] == 'A' {
			flipped[i] = 'B'
		}
		svc.refresh(string(flipped)).want(t, 400, "invalid_grant")
		svc.post("/revoke", "token", string(flipped)).want(t, 200, "")
		if svc.introspects(string(flipped)) {
			t.Errorf("character %d of a refresh token does not count", i)
		}
	}
	id := refresh2[:26]
	for name, token := range map[string]string{
		"the ID": id, "no secret": id + strings.Repeat("A", 43), "short": refresh2[:68], "long": refresh2 + "A",
		"another pair's secret": id + refresh[26:], "another pair's ID": refresh[:26] + refresh2[26:], "empty": "",
		"an ID of another kind": "code" + refresh2[4:], "a JWT without a jti": "e30.e30.AA", "no JWT": "...",
		"a JWT with the ID": "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"jti":"`+id+`"}`)) + ".AA",
	} {
		if svc.valid(token) {
			t.Errorf("%s: valid", name)
		}
		if token == "" {
			continue
		}
		svc.refresh(token).want(t, 400, "invalid_grant")
		svc.post("/revoke", "token", token).want(t, 200, "")
		if svc.introspects(token) {
			t.Errorf("%s: active", name)
		}
	}
	svc.refresh(access2).want(t, 400, "invalid_grant")
	if svc.valid(refresh2) || !svc.valid(access) || !svc.valid(access2) {
		t.Error("a refresh token opens resources, or something has ended")
	}
	text(t, svc.refresh(refresh2), "refresh_token")
}

// What a record holds gives nobody a token, and of the other token of a pair nobody learns anything.
func TestRecordsOfPairs(t *testing.T) {
	t.Parallel()
	svc := newService(t, withDialect(authserver.Dialect{Grace: time.Minute}))
	access, refresh := svc.login()
	rec := svc.stored(access)
	if rec.Token.AccessToken != "" || rec.Token.RefreshToken != "" || len(rec.Token.IDToken) != 64 || rec.Subject != "user-1" {
		t.Errorf("%d bytes of hashes, %+v", len(rec.Token.IDToken), rec.Token)
	}
	for _, secret := range []string{access[26:], refresh[26:]} {
		if strings.Contains(rec.Token.IDToken+string(rec.Token.Extra), secret) {
			t.Error("a record holds a token")
		}
	}
	next := svc.refresh(refresh)
	if svc.stored(access).Token.RefreshToken == "" {
		t.Fatal("no successor is kept for the grace") // so what is told of the record is what is tested here
	}
	for _, token := range []string{access, text(t, next, "access_token")} {
		told, err := svc.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if told.Token.AccessToken+told.Token.RefreshToken+told.Token.IDToken != "" || told.Refresh != nil || !told.Token.RefreshExpiry.IsZero() {
			t.Errorf("a guard is told %+v, %x", told.Token, told.Refresh)
		}
		if string(told.Token.Extra) != `{"client_id":"web"}` || told.Subject != "user-1" || told.Handle != store.Credential("access", token) {
			t.Errorf("a guard is told %s of %q", told.Token.Extra, told.Subject)
		}
		if !told.Expires.Equal(told.Token.Expiry) || time.Until(told.Expires) > time.Hour {
			t.Errorf("the token expires %v, %v", told.Expires, told.Token.Expiry)
		}
	}
}

// An access token is revoked alone, also of a login's first pair; a refresh token takes all with it.
func TestRevocationWithinAPair(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	access, refresh := svc.login()
	for range 2 {
		svc.post("/revoke", "token", access).want(t, 200, "")
		if svc.valid(access) || !svc.introspects(refresh) {
			t.Error("the access token lives on, or its refresh token does not")
		}
	}
	next := svc.refresh(refresh)
	second, last := text(t, next, "access_token"), text(t, next, "refresh_token")
	if svc.valid(access) || !svc.valid(second) {
		t.Error("a refresh revived the revoked token, or gave a dead one")
	}
	svc.post("/revoke", "token", last).want(t, 200, "")
	if svc.valid(second) {
		t.Error("the login lives on")
	}
	svc.refresh(last).want(t, 400, "invalid_grant")
}

// Between a refresh's look at the record and its writing it, the access token of the same record is revoked: both count.
func TestRevocationDuringARefresh(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	access, refresh := svc.login()
	svc.tokens.onPut(func() { svc.post("/revoke", "token", access).want(t, 200, "") })
	next := svc.refresh(refresh)
	if svc.valid(access) || !svc.valid(text(t, next, "access_token")) {
		t.Error("the revocation is lost, or the refresh is")
	}
	svc.refresh(refresh).want(t, 400, "invalid_grant") // it was spent once and for all
	if svc.valid(text(t, next, "access_token")) {
		t.Error("the second use did not end the login")
	}
}

// One write issues a pair.
func TestWrites(t *testing.T) {
	t.Parallel()
	svc := newService(t, nil)
	_, refresh := svc.login()
	if calls := svc.tokens.failNext(0, false); calls != 2 { // the attempts
		t.Errorf("a login takes %d calls of the store, want 2", calls)
	}
	next := text(t, svc.refresh(refresh), "refresh_token")
	if calls := svc.tokens.failNext(0, false); calls != 3 {
		t.Errorf("a first refresh takes %d calls of the store, want 3", calls)
	}
	access := text(t, svc.refresh(next), "access_token")
	if calls := svc.tokens.failNext(0, false); calls != 4 {
		t.Errorf("another refresh takes %d calls of the store, want 4", calls)
	}
	if _, err := svc.Verify(t.Context(), access); err != nil {
		t.Fatal(err)
	}
	if calls := svc.tokens.failNext(0, false); calls != 2 {
		t.Errorf("verifying takes %d calls of the store, want 2", calls)
	}
	for _, token := range []string{"x", "e30.e30.AA", strings.Repeat("A", 70)} {
		if _, err := svc.Verify(t.Context(), token); !errors.Is(err, store.ErrNotFound) || svc.tokens.failNext(0, false) != 0 {
			t.Errorf("what is no token: %v, or the store was asked", err)
		}
	}
}

// A store that shows its records to readers is not written to by them, and a login that ends is not seen any more.
func TestViewedFamilies(t *testing.T) {
	t.Parallel()
	svc := newService(t, func(set *setup) { set.views = true })
	first, refresh := svc.login()
	next := svc.refresh(refresh)
	access, last := text(t, next, "access_token"), text(t, next, "refresh_token")
	for range 3 { // of the second pair, so the family is looked at
		told, err := svc.Verify(t.Context(), access)
		if err != nil || told.Subject != "user-1" || strings.Join(told.Token.Scopes, " ") != "read write" {
			t.Fatalf("%v, %v", told, err)
		}
		told.Subject, told.Token.Scopes[0], told.Token.Extra[0] = "changed", "changed", 'x'
		if got := svc.refresh(last, "scope", "read"); text(t, got, "scope") != "read" {
			t.Errorf("scope %v", got.json["scope"])
		} else {
			last = text(t, got, "refresh_token")
		}
	}
	if got := svc.refresh(last); text(t, got, "scope") != "read write" {
		t.Errorf("scope %v", got.json["scope"])
	}
	if svc.stored(access).Grant != svc.stored(last).Grant || !svc.stored(last).Grant.IsKey() {
		t.Error("a pair does not hang on its family's Key")
	}
	if err := svc.EndSubject(t.Context(), "user-1"); err != nil {
		t.Fatal(err)
	}
	if svc.valid(first) || svc.valid(access) || svc.introspects(last) {
		t.Error("a login that has ended is seen")
	}
	svc.refresh(last).want(t, 400, "invalid_grant")
}
