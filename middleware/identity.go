package middleware

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/tokenkeep/tokenkeep/store"
)

// identityKey is the type of the key in a request's context. Each guard has its own, so that no guard finds the user
// of another one, and nothing that a request carries can name it.
type identityKey struct {
	request atomic.Pointer[any] // see Guard.Adapt
}

// visitor is who sends a request, and the record behind the token or session.
type visitor[U any] struct {
	user    U
	rec     *store.Record
	carried bool // in the request's context
}

// granted reports whether all of these scopes were.
func (v visitor[U]) granted(scopes []string) bool {
	for _, s := range scopes {
		if !slices.Contains(v.rec.Token.Scopes, s) {
			return false
		}
	}
	return true
}

// identity is a context that knows who it is: context and value in one allocation.
type identity[U any] struct {
	context.Context
	key *identityKey
	visitor[U]
}

// Value answers for the guard's own key and passes all others on.
func (id *identity[U]) Value(key any) any {
	if key == any(id.key) {
		return id
	}
	return id.Context.Value(key)
}

// Format keeps a printed context free of users and records.
func (*identity[U]) Format(f fmt.State, _ rune) { fmt.Fprint(f, "middleware.identity") }

func (g *Guard[U]) from(ctx context.Context) *identity[U] {
	id, _ := ctx.Value(g.key).(*identity[U])
	return id
}

func (g *Guard[U]) carried(ctx context.Context) *identity[U] {
	if id := g.from(ctx); id != nil {
		return id
	}
	if key := g.key.request.Load(); key != nil {
		if r, ok := ctx.Value(*key).(*http.Request); ok && r != nil {
			return g.from(r.Context())
		}
	}
	return nil
}

// User returns the user that this guard resolved for the request whose context ctx is, or is derived from; false if
// there is none: no guard ran, or [Guard.Optional] let an anonymous request through. With ginauth a *gin.Context works
// as well, and so does a copy of it.
func (g *Guard[U]) User(ctx context.Context) (U, bool) {
	if id := g.carried(ctx); id != nil {
		return id.user, true
	}
	var none U
	return none, false
}

// Record returns the record behind the request's token or session; see [Guard.User] for when there is none. Requests
// share it: change a Clone. Its Handle finds it, but need not reveal the credential.
func (g *Guard[U]) Record(ctx context.Context) (*store.Record, bool) {
	if id := g.carried(ctx); id != nil {
		return id.rec, true
	}
	return nil, false
}

// WithUser returns a context that satisfies [Guard.Require] with these scopes, for tests of handlers:
//
//	r = r.WithContext(guard.WithUser(r.Context(), &User{ID: "42"}, "profile"))
func (g *Guard[U]) WithUser(ctx context.Context, user U, scopes ...string) context.Context {
	rec := &store.Record{}
	if self, ok := any(user).(*store.Record); ok && self != nil {
		rec = self.Clone()
	}
	if len(scopes) > 0 {
		rec.Token.Scopes = append([]string(nil), scopes...)
	}
	return g.identify(ctx, visitor[U]{user: user, rec: rec})
}

func (g *Guard[U]) identify(ctx context.Context, v visitor[U]) *identity[U] {
	v.carried = true
	return &identity[U]{Context: ctx, key: g.key, visitor: v}
}

// Adapt tells the guard under which key a framework's own context answers with the *http.Request, so that
// [Guard.User] and [Guard.Record] find the user by such a context too. For authors of adapters: ginauth passes
// gin.ContextRequestKey.
func (g *Guard[U]) Adapt(requestKey any) { g.key.request.Store(&requestKey) }
