package authserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// provider is another one, whose tokens the keeper keeps.
type provider struct{ t *testing.T }

func (p provider) Refresh(context.Context, *store.Record) (store.Token, error) {
	return store.Token{}, nil
}

func (p provider) Revoke(_ context.Context, rec *store.Record) error {
	p.t.Errorf("%v of this server is to be revoked at another provider", rec)
	return nil
}

// An application that is its own provider may keep its sessions in the same store: signing a user out everywhere ends what
// the server issued, and the keeper's sweep drops it without taking it for its own.
func TestStoreSharedWithAKeeper(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]authserver.Dialect{"no grace": {}, "grace": {Grace: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc := newService(t, withDialect(d))
			keep, err := keeper.New(svc.tokens.Store, provider{t}, nil)
			if err != nil {
				t.Fatal(err)
			}
			access, refresh := svc.login()
			next := text(t, svc.refresh(refresh), "refresh_token")
			svc.post("/revoke", "token", next).want(t, 200, "")
			if n, err := keep.Sweep(t.Context(), 100); n != 1 || err != nil || svc.valid(access) {
				t.Errorf("%d swept: %v", n, err)
			}
			access, _ = svc.login()
			if err := keep.EndSessions(t.Context(), "user-1"); err != nil || svc.valid(access) {
				t.Errorf("signed out everywhere: %v, and a token is valid: %v", err, svc.valid(access))
			}
			if err := keep.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
