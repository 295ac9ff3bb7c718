package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// kept returns a guard over a keeper and a memory store that holds n sessions.
func kept(tb testing.TB, n int) (guard *middleware.Guard[*store.Record], keep *keeper.Keeper, credentials []string) {
	tb.Helper()
	tokens, err := memstore.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	if keep, err = keeper.New(tokens, nil, nil); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { keep.Close(context.Background()) })
	for i := range n {
		rec, err := keep.Start(context.Background(), store.Handle{}, &store.Record{Subject: fmt.Sprint(i), Token: store.Token{AccessToken: "at", Scopes: []string{"read"}}})
		if err != nil {
			tb.Fatal(err)
		}
		credentials = append(credentials, rec.Handle.Reveal())
	}
	guard, err = middleware.New(keep, middleware.Self, &middleware.Options{Session: &middleware.Session{Keeper: keep}})
	if err != nil {
		tb.Fatal(err)
	}
	return guard, keep, credentials
}

// What the guard adds to the keeper's and the store's own allocations: the identity and the request that carries it,
// and with a cookie the two headers of the answer.
func TestAllocationsBeyondTheKeeper(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	guard, keep, credentials := kept(t, 1000)
	h := guard.Require("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := discard{http.Header{}}
	own := testing.AllocsPerRun(1000, func() { keep.Verify(t.Context(), credentials[0]) })
	r := request("GET", "/", credentials[0])
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n > 2 || n-own > 2 {
		t.Errorf("bearer: %v allocations, at most 2; the keeper's are %v of them", n, own)
	}
	r = withCookie(request("GET", "/", ""), "a=b; __Host-session="+credentials[0])
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n > 3 || n-own > 3 {
		t.Errorf("cookie: %v allocations, at most 3; the keeper's are %v of them", n, own)
	}
}

// Nobody gets another one's session, through keeper and store, by header and by cookie, with requests that are
// cancelled on the way.
func TestNoMixUpsThroughTheKeeper(t *testing.T) {
	t.Parallel()
	const sessions = 200
	guard, _, credentials := kept(t, sessions)
	each64(t, 1_000_000, func(n int, ctx context.Context) {
		i := n % sessions
		r := bearing(ctx, credentials[i])
		if n/256%2 == 0 {
			r.Header = http.Header{"Cookie": {"__Host-session=" + credentials[i]}}
		}
		checked, err := guard.Check(discard{http.Header{}}, r, "read")
		rec, ok := guard.User(checked.Context())
		if ok != (err == nil) || ok && rec.Subject != fmt.Sprint(i) || !ok && ctx.Err() == nil {
			t.Errorf("wanted %d, got %v, %v", i, rec, err)
		}
	})
}
