package keeper_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
)

// showingCookies is a stateless store that shows what Get returns.
type showingCookies struct{ *cookiestore.Store }

func (s *showingCookies) View(ctx context.Context, h store.Handle) (*store.Record, time.Time) {
	rec, err := s.Get(ctx, h)
	if err != nil {
		return nil, time.Time{}
	}
	return rec, time.Now()
}

func (s *showingCookies) Viewed() store.TokenStore { return s }

// A cookie knows nothing of its session's end: its replicas' coordinator is asked, even if the store shows records.
func TestStatelessIsNotShown(t *testing.T) {
	t.Parallel()
	cookies, err := cookiestore.New(newRing(t), cookiestore.SingleReplica())
	if err != nil {
		t.Fatal(err)
	}
	k := keeping(t, &showingCookies{cookies}, keeper.RefreshFunc(rotate), nil)
	rec := session(t, k, time.Hour)
	if _, err := k.Verify(t.Context(), rec.Handle.Reveal()); err != nil {
		t.Fatal(err)
	}
	if err := k.End(t.Context(), rec.Handle); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Verify(t.Context(), rec.Handle.Reveal()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Verify after End: %v, %v", got, err)
	}
}
