package live

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// User is what the resolver makes of a record.
type User struct{ Name string }

func resolve(_ context.Context, rec *store.Record) (User, error) { return User{rec.Subject}, nil }

// kept is a keeper over a store that holds a session for each user, the last one expired.
func kept(tokens store.TokenStore, n int) (*keeper.Keeper, []store.Handle, error) {
	keep, err := keeper.New(tokens, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	handles := make([]store.Handle, n+1)
	for i := range handles {
		handles[i] = store.NewCredential("session")
		rec := &store.Record{Subject: site.UserName(i), Token: store.Token{
			AccessToken: "access", TokenType: "Bearer", Scopes: []string{"profile"}, Expiry: time.Now().Add(time.Hour),
		}, Expires: time.Now().Add(time.Hour)}
		if i == n {
			rec.Expires = time.Now().Add(-time.Second) // a store's clock may be a millisecond behind
		}
		if _, err := tokens.Put(context.Background(), handles[i], rec); err != nil {
			return nil, nil, err
		}
	}
	return keep, handles, nil
}

func bearerSite(n int) (*site.Site, error) {
	return mounted(n, func(s *site.Site, guard *middleware.Guard[User]) http.Handler {
		return guard.Require("profile")(handler(s, guard))
	})
}

// argumentSite hands the user over as an argument.
func argumentSite(n int) (*site.Site, error) {
	return mounted(n, func(s *site.Site, guard *middleware.Guard[User]) http.Handler {
		return guard.Handler(func(_ http.ResponseWriter, _ *http.Request, user User) { s.Seen(user.Name) }, "profile")
	})
}

func ginSite(n int) (*site.Site, error) {
	return mounted(n, func(s *site.Site, guard *middleware.Guard[User]) http.Handler {
		router := gin.New()
		router.GET("/me", ginauth.Require(guard, "profile"), func(c *gin.Context) {
			user, _ := guard.User(c)
			s.Seen(user.Name)
		})
		return router
	})
}

func mounted(n int, mount func(*site.Site, *middleware.Guard[User]) http.Handler) (*site.Site, error) {
	tokens, err := memstore.New(nil)
	if err != nil {
		return nil, err
	}
	s, guard, err := guarded(tokens, n)
	if err != nil {
		return nil, err
	}
	s.Handler = mount(s, guard)
	return s, nil
}

func guarded(tokens store.TokenStore, n int) (*site.Site, *middleware.Guard[User], error) {
	keep, handles, err := kept(tokens, n)
	if err != nil {
		return nil, nil, err
	}
	guard, err := middleware.New(keep, resolve, nil)
	if err != nil {
		return nil, nil, err
	}
	s := &site.Site{Delete: func(i int) error { return keep.End(context.Background(), handles[i]) }}
	texts := make([]string, len(handles))
	for i, h := range handles {
		texts[i] = h.Reveal()
	}
	badBearers(s, texts)
	return s, guard, nil
}

func handler(s *site.Site, guard *middleware.Guard[User]) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, _ := guard.User(r.Context())
		s.Seen(user.Name)
	})
}

func cookieSite(n int) (*site.Site, error) {
	tokens, err := memstore.New(nil)
	if err != nil {
		return nil, err
	}
	keep, handles, err := kept(tokens, n)
	if err != nil {
		return nil, err
	}
	session := &middleware.Session{Keeper: keep}
	guard, err := middleware.New(keep, resolve, &middleware.Options{Session: session})
	if err != nil {
		return nil, err
	}
	s := &site.Site{Delete: func(i int) error { return keep.End(context.Background(), handles[i]) }}
	texts := make([]string, len(handles))
	for i, h := range handles {
		texts[i] = h.Reveal()
	}
	badCookies(s, "__Host-session", texts)
	s.Handler = guard.Require("profile")(handler(s, guard))
	return s, nil
}
