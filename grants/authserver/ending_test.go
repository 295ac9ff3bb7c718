package authserver_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
)

// listing is a store in which something happens between being listed and being ended.
type listing struct {
	*slowStore
	listed func()
}

func (s *listing) List(ctx context.Context, subject, cursor string, n int) ([]*store.Record, string, error) {
	recs, next, err := s.slowStore.List(ctx, subject, cursor, n)
	if do := s.listed; do != nil {
		s.listed = nil
		do()
	}
	return recs, next, err
}

// A code that becomes a login while its subject's logins are being ended does not save that login.
func TestEndSubjectDuringARedemption(t *testing.T) {
	t.Parallel()
	svc := newDevices(t, nil)
	tokens := &listing{slowStore: svc.tokens}
	clients := append(plainClients(), authserver.Client{ID: "tv", Grants: []string{deviceGrant, "refresh_token"}, Scopes: []string{"read"}})
	ending, err := authserver.New(tokens, users, clients, &authserver.Options{Issuer: "https://as.example", VerificationURI: "/device"})
	if err != nil {
		t.Fatal(err)
	}
	code := svc.allow(codeQuery).Get("code")
	device, user := svc.authorizeDevice()
	svc.answerDevice(user, "allow")
	for subject, redeem := range map[string]func() *reply{
		"user-1": func() *reply { return svc.redeem(code) }, "user-2": func() *reply { return svc.poll(device) },
	} {
		var got *reply
		tokens.listed = func() { got = redeem() }
		if err := ending.EndSubject(t.Context(), subject); err != nil {
			t.Fatal(err)
		}
		if svc.valid(text(t, got, "access_token")) || svc.introspects(text(t, got, "refresh_token")) {
			t.Errorf("what the code of %s gave lives on", subject)
		}
	}
}

// A second use of a code ends what the first one gave also when that was an access token with a shorter life than the code's:
// the refresh token has a longer one.
func TestSecondUseOfACodeAfterAShortToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withDialect(authserver.Dialect{AccessTTL: 10 * time.Second}))
		code := svc.allow(codeQuery).Get("code")
		refresh := text(t, svc.redeem(code), "refresh_token")
		time.Sleep(30 * time.Second)
		svc.redeem(code).want(t, 400, "invalid_grant")
		svc.refresh(refresh).want(t, 400, "invalid_grant")
	})
}

// The record of a login's first pair lives as long as the login. Its refresh token does not, and ends nothing once it has
// expired: who finds it in an old log must not be able to sign anybody out.
func TestRevokingAnExpiredToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withDialect(authserver.Dialect{RefreshTTL: time.Hour}))
		_, first := svc.login()
		time.Sleep(30 * time.Minute)
		second := text(t, svc.refresh(first), "refresh_token")
		time.Sleep(30 * time.Minute)
		svc.post("/revoke", "token", first).want(t, 200, "")
		third := text(t, svc.refresh(second), "access_token")
		svc.post("/revoke", "token", second).want(t, 200, "") // spent, but not expired
		if svc.valid(third) {
			t.Error("the login lives on")
		}
	})
}
