package weblogin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/introspect"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// What holds a Client prints none of it either. fmt follows pointers in unexported fields for verbs that do not fit
// them, past the Client's own redaction.
func TestHoldersPrintNoSecret(t *testing.T) {
	t.Parallel()
	const m = "canary-secret"
	c := &grants.Client{
		Provider: "p", TokenURL: "https://as.example/token", AuthorizeURL: "https://as.example/authorize", IntrospectURL: "https://as.example/i",
		ID: "id", Secret: m, RedirectURI: "https://app.example/callback",
	}
	tokens, _ := memstore.New(nil)
	one, err1 := keeper.New(tokens, c, nil)
	many, err2 := keeper.New(tokens, grants.Clients{c}, nil)
	ring, err3 := seal.New(seal.NewKey())
	session := &middleware.Session{Keeper: one, Ring: ring}
	login, err4 := weblogin.New(c, session, func(context.Context, *store.Record) error { return nil }, nil)
	guard, err5 := middleware.New(one, middleware.Self, nil)
	asks, err6 := introspect.New(c, nil)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || err5 != nil || err6 != nil {
		t.Fatal(err1, err2, err3, err4, err5, err6)
	}
	for _, v := range []any{one, many, session, login, *login, guard, *guard, asks} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		b, _ := json.Marshal(v)
		text := fmt.Sprintf("%v %+v %#v %s %q %x %d %t", v, v, v, v, v, v, v, v) + log.String() + string(b)
		if strings.Contains(text, m) || strings.Contains(text, fmt.Sprintf("%x", m)) {
			t.Errorf("%T prints %s", v, text)
		}
	}
}
