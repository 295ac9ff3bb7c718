package calling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// floorCaller has one token and no way to another.
func floorCaller(_ *measure.Scene, base http.RoundTripper, expires time.Time) (*caller, func() error, error) {
	type kept struct {
		line    string
		expires time.Time
	}
	var now atomic.Pointer[kept]
	now.Store(&kept{"Bearer " + validTok, expires})
	valid := func() (*kept, error) {
		k := now.Load()
		if !time.Now().Before(k.expires) {
			return nil, errors.New("expired")
		}
		return k, nil
	}
	return &caller{
		transport: tripper(func(r *http.Request) (*http.Response, error) {
			k, err := valid()
			if err != nil {
				return nil, err
			}
			out := *r
			out.Header = make(http.Header, len(r.Header)+1)
			for name, lines := range r.Header {
				out.Header[name] = lines
			}
			out.Header["Authorization"] = []string{k.line}
			return base.RoundTrip(&out)
		}),
		token: func(context.Context) (string, error) {
			k, err := valid()
			if err != nil {
				return "", err
			}
			return k.line[len("Bearer "):], nil
		},
	}, nil, nil
}

type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func kept(tokens store.TokenStore, base http.RoundTripper, expires time.Time) (*caller, error) {
	keep, err := keeper.New(tokens, nil, &keeper.Options{Transport: base})
	if err != nil {
		return nil, err
	}
	h := store.Key("api", "user-4711", expires.String())
	rec := &store.Record{Token: store.Token{AccessToken: validTok, TokenType: "Bearer", Expiry: expires}}
	if _, err := keep.Start(context.Background(), h, rec); err != nil {
		return nil, err
	}
	return &caller{
		transport: keep.Client(h, origin).Transport,
		token: func(ctx context.Context) (string, error) {
			rec, err := keep.Get(ctx, h)
			if err != nil {
				return "", err
			}
			return rec.Token.AccessToken, nil
		},
	}, nil
}

func memoryCaller(_ *measure.Scene, base http.RoundTripper, expires time.Time) (*caller, func() error, error) {
	tokens, err := memstore.New(nil)
	if err != nil {
		return nil, nil, err
	}
	c, err := kept(tokens, base, expires)
	return c, nil, err
}

func sqliteCaller(scene *measure.Scene, base http.RoundTripper, expires time.Time) (*caller, func() error, error) {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		return nil, nil, err
	}
	tokens, err := sqlitestore.Open(filepath.Join(scene.Dir, fmt.Sprint(expires.Unix(), ".db")), ring, nil)
	if err != nil {
		return nil, nil, err
	}
	c, err := kept(tokens, base, expires)
	return c, tokens.Close, err
}

func xoauth2(expires time.Time) (*oauth2.Config, *oauth2.Token, context.Context) {
	nobody := &http.Client{Transport: tripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("nobody there") })}
	config := &oauth2.Config{ClientID: "app", Endpoint: oauth2.Endpoint{TokenURL: "https://as.example/token", AuthStyle: oauth2.AuthStyleInHeader}}
	token := &oauth2.Token{AccessToken: validTok, TokenType: "Bearer", RefreshToken: "refresh", Expiry: expires}
	return config, token, context.WithValue(context.Background(), oauth2.HTTPClient, nobody)
}

func text(t *oauth2.Token, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return t.AccessToken, nil
}

func sharedCaller(_ *measure.Scene, base http.RoundTripper, expires time.Time) (*caller, func() error, error) {
	config, token, ctx := xoauth2(expires)
	source := config.TokenSource(ctx, token)
	return &caller{
		transport: &oauth2.Transport{Source: source, Base: base},
		token:     func(context.Context) (string, error) { return text(source.Token()) },
	}, nil, nil
}

func perRequestCaller(_ *measure.Scene, base http.RoundTripper, expires time.Time) (*caller, func() error, error) {
	config, token, ctx := xoauth2(expires)
	return &caller{
		transport: tripper(func(r *http.Request) (*http.Response, error) {
			t := &oauth2.Transport{Source: config.TokenSource(ctx, token), Base: base}
			return t.RoundTrip(r)
		}),
		token: func(context.Context) (string, error) { return text(config.TokenSource(ctx, token).Token()) },
	}, nil, nil
}
