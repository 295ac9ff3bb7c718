package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// What is still to be revoked fills the refresh state: the oldest is dropped and reported, and whatever is kept leaves
// room for the lease, the memo and the rest.
func TestPendingRevocationsLeaveRoom(t *testing.T) {
	t.Parallel()
	for size := 3300; size <= 4100; size += 50 {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var said bytes.Buffer
				w := newWorld(t, &keeper.Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
				w.p.revoke = errors.New("down")
				key := store.Key("ulule", "alice")
				for _, text := range []string{"first", strings.Repeat("x", size), "refresh-0"} {
					tok := firstToken(time.Second)
					tok.RefreshToken = text
					if _, err := w.keep.Start(t.Context(), key, &store.Record{Token: tok}); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				time.Sleep(2 * time.Second)
				w.p.answer = func(int, *store.Record) (store.Token, error) { return store.Token{}, outcomeError{keeper.RetryLater} }
				if _, err := w.keep.Get(t.Context(), key); !errors.Is(err, keeper.ErrUnavailable) || !contains(err.Error(), "retry_later") {
					t.Errorf("Get: %v", err)
				}
				w.p.answer = nil
				time.Sleep(5 * time.Second)
				if got := w.get(key); got.Generation != 1 {
					t.Errorf("got %v", got)
				}
				synctest.Wait()
				w.p.revoke = nil
				if err := w.keep.End(t.Context(), key); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if dropped := contains(said.String(), "dropped=2"); len(w.p.revoked) < 2 && !dropped {
					t.Errorf("%d revoked, and nothing is said: %s", len(w.p.revoked), &said)
				}
			})
		})
	}
}

// The grant has no record any more when the answer comes, and the provider does not take the revocation of what it
// brought: that is tried three times and reported.
func TestOrphanBeyondRevocation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var said bytes.Buffer
		w := newWorld(t, &keeper.Options{Logger: slog.New(slog.NewTextHandler(&said, nil))})
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		w.p.delay, w.p.revoke = time.Second, errors.New("down")
		done := make(chan error, 1)
		go func() {
			_, err := w.keep.Get(t.Context(), rec.Handle)
			done <- err
		}()
		synctest.Wait()
		if err := w.tokens.Delete(t.Context(), rec.Handle, ""); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if !contains(said.String(), "could not be revoked") {
			t.Errorf("nothing is said: %s", &said)
		}
	})
}

// A grant that has an access token only was signed out while its provider was down: a login under its Key carries that
// revocation along, as that of a refresh token.
func TestPendingAccessToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		asked := &accessRevoker{provider: w.p}
		keep, err := keeper.New(w.tokens, asked, &keeper.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer keep.Close(t.Context())
		key := store.Key("ulule", "alice")
		w.p.revoke = errors.New("down")
		if _, err := keep.Start(t.Context(), key, &store.Record{Token: store.Token{AccessToken: "only"}}); err != nil {
			t.Fatal(err)
		}
		if err := keep.End(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.p.revoke, asked.revoked = nil, nil
		if _, err := keep.Start(t.Context(), key, &store.Record{Token: firstToken(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(asked.revoked) != 1 || asked.revoked[0] != "only" {
			t.Errorf("revoked %q", asked.revoked)
		}
	})
}

// accessRevoker notes the access tokens it is asked to revoke.
type accessRevoker struct {
	*provider
	revoked []string
}

// Revoke implements keeper.Revoker.
func (a *accessRevoker) Revoke(ctx context.Context, rec *store.Record) error {
	a.revoked = append(a.revoked, rec.Token.AccessToken)
	return a.provider.Revoke(ctx, rec)
}
