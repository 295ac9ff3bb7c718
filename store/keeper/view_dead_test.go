package keeper_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// A grant that the provider called dead is not shown, however long its token would be good, nor however often it was.
func TestVerifyDeadGrant(t *testing.T) {
	t.Parallel()
	dead := keeper.RefreshFunc(func(context.Context, *store.Record) (store.Token, error) {
		return store.Token{}, outcomeError{keeper.Dead}
	})
	k := keeping(t, memory(t), dead, nil)
	rec := session(t, k, time.Hour)
	if _, err := k.Verify(t.Context(), rec.Handle.Reveal()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Refresh(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrLoginRequired) {
		t.Fatalf("Refresh: %v", err)
	}
	for range 3 {
		if got, err := k.Verify(t.Context(), rec.Handle.Reveal()); !errors.Is(err, keeper.ErrLoginRequired) {
			t.Errorf("Verify: %v, %v", got, err)
		}
	}
}
