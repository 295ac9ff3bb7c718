package authserver_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// What is issued expires by the server's clock: a store's may be behind, and then still has it.
func TestExpiryByOurClock(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	svc := newService(t, func(set *setup) {
		set.options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		set.clients[0].Dialect = &authserver.Dialect{AccessTTL: time.Minute, RefreshTTL: time.Minute}
	})
	svc.mux.Handle("/par", svc.PushedAuthorization())
	access, refresh := svc.login()
	code := svc.allow(codeQuery).Get("code")
	query := svc.push(codeQuery)
	ahead.Store(int64(90 * time.Second))
	if svc.valid(access) {
		t.Error("the access token lives on")
	}
	if got := svc.post("/introspect", "token", access); got.json["active"] != false {
		t.Errorf("introspection %s", got.body)
	}
	svc.refresh(refresh).want(t, 400, "invalid_grant")
	svc.redeem(code).want(t, 400, "invalid_grant")
	if _, got := svc.page(query); got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
		t.Errorf("the pushed request: %d", got.StatusCode)
	}
	// None of it was spent or ended: by the clock it was issued with it is all good.
	ahead.Store(0)
	svc.redeem(code).want(t, 200, "")
	svc.refresh(refresh).want(t, 200, "")
}

// A token with less than a second left would be told to have none.
func TestReissueWithNothingLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newService(t, withDialect(authserver.Dialect{Reissue: true, AccessTTL: time.Minute}))
		first, _ := svc.login()
		time.Sleep(59*time.Second - time.Millisecond)
		if again, _ := svc.login(); again != first {
			t.Error("another token with a second left")
		}
		time.Sleep(2 * time.Millisecond)
		if again, _ := svc.login(); again == first {
			t.Error("the same token with nothing left to tell")
		}
	})
}
