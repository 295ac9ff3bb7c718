package keeper_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// proving sends tokens with a proof, as RFC 9449 wants it, and refreshes "old" to "new".
type proving struct{ kind string }

func (p proving) Refresh(context.Context, *store.Record) (store.Token, error) {
	return store.Token{AccessToken: "new", TokenType: p.kind, Expiry: time.Now().Add(time.Hour)}, nil
}

func (p proving) Carry(req *http.Request, rec *store.Record, next http.RoundTripper) (*http.Response, error) {
	if rec.Token.AccessToken == "" {
		return nil, errors.New("no token")
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "DPoP "+rec.Token.AccessToken)
	return next.RoundTrip(req)
}

// A refresher that can carry tokens does so unless they are Bearer tokens, in the repetition after a 401 as well.
func TestClientLetsTheRefresherCarry(t *testing.T) {
	t.Parallel()
	for kind, scheme := range map[string]string{"DPoP": "DPoP", "dpop": "DPoP", "Bearer": "Bearer", "bearer": "Bearer", "": "Bearer"} {
		var seen []string
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			seen = append(seen, r.Header.Get("Authorization")+" "+string(body))
			if strings.Contains(r.Header.Get("Authorization"), "old") {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}))
		t.Cleanup(api.Close)
		tokens, err := memstore.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		keep, err := keeper.New(tokens, proving{kind}, nil)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := keep.Start(t.Context(), store.Key("u"), &store.Record{Token: store.Token{
			AccessToken: "old", TokenType: kind, RefreshToken: "RT", Expiry: time.Now().Add(time.Hour),
		}})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := keep.Client(rec.Handle, api.URL).Post(api.URL, "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got, want := strings.Join(seen, ", "), scheme+" old body, "+scheme+" new body"; got != want || resp.StatusCode != 200 {
			t.Errorf("%q: %d, sent %q, want %q", kind, resp.StatusCode, got, want)
		}
	}
}

// A session that shares a grant names no provider: whoever carries the token is told the grant's.
func TestSharedGrantNamesItsProvider(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		key := store.Key("ulule", "alice")
		if _, err := w.keep.Start(t.Context(), key, &store.Record{Provider: "ulule", Token: firstToken(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		session, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Grant: key})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.get(session.Handle); got.Provider != "ulule" || got.ID != session.ID {
			t.Errorf("got %v", got)
		}
	})
}
