package live

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/models"
	"github.com/go-oauth2/oauth2/v4/server"
	oauth2store "github.com/go-oauth2/oauth2/v4/store"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

func fositeSite(n int) (*site.Site, error) {
	memory := storage.NewMemoryStore()
	secret := make([]byte, 32)
	rand.Read(secret)
	config := &fosite.Config{GlobalSecret: secret}
	strategy := compose.NewOAuth2HMACStrategy(config)
	provider := compose.Compose(config, memory, strategy, compose.OAuth2TokenIntrospectionFactory)
	ctx := context.Background()
	tokens, signatures := make([]string, n+1), make([]string, n+1)
	for i := range tokens {
		session := &fosite.DefaultSession{Subject: site.UserName(i), Username: site.UserName(i)}
		expires := time.Now().Add(time.Hour)
		if i == n {
			expires = time.Now().Add(-time.Second)
		}
		session.SetExpiresAt(fosite.AccessToken, expires)
		request := fosite.NewRequest()
		request.Client, request.Session = &fosite.DefaultClient{ID: "app"}, session
		request.GrantedScope = fosite.Arguments{"profile"}
		var err error
		if tokens[i], signatures[i], err = strategy.GenerateAccessToken(ctx, request); err != nil {
			return nil, err
		}
		if err := memory.CreateAccessTokenSession(ctx, signatures[i], request); err != nil {
			return nil, err
		}
	}
	s := &site.Site{Delete: func(i int) error { return memory.DeleteAccessTokenSession(ctx, signatures[i]) }}
	badBearers(s, tokens)
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, _ := r.Context().Value(userKey{}).(string)
		s.Seen(user)
	})
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := fosite.AccessTokenFromRequest(r)
		_, access, err := provider.IntrospectToken(r.Context(), token, fosite.AccessToken, &fosite.DefaultSession{}, "profile")
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		user := access.GetSession().GetSubject()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
	return s, nil
}

func goOAuth2Site(n int) (*site.Site, error) {
	memory, err := oauth2store.NewMemoryTokenStore()
	if err != nil {
		return nil, err
	}
	manager := manage.NewDefaultManager()
	manager.MapTokenStorage(memory)
	srv := server.NewDefaultServer(manager)
	ctx := context.Background()
	tokens := make([]string, n+1)
	for i := range tokens {
		tokens[i] = rand.Text() + rand.Text()
		info := &models.Token{
			ClientID: "app", UserID: site.UserName(i), Scope: "profile", Access: tokens[i],
			AccessCreateAt: time.Now(), AccessExpiresIn: time.Hour,
		}
		if i == n {
			info.AccessCreateAt = time.Now().Add(-2 * time.Hour)
		}
		if err := memory.Create(ctx, info); err != nil {
			return nil, err
		}
	}
	s := &site.Site{Delete: func(i int) error { return memory.RemoveByAccess(ctx, tokens[i]) }}
	badBearers(s, tokens)
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, _ := r.Context().Value(userKey{}).(string)
		s.Seen(user)
	})
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, err := srv.ValidationBearerToken(r)
		if err != nil || info.GetScope() != "profile" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, info.GetUserID())))
	})
	return s, nil
}
