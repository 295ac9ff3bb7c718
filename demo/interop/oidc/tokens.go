package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func rotation(ctx context.Context, w *world) error {
	c := w.web()
	first, err := login(ctx, c)
	if err != nil {
		return err
	}
	second, err := c.Refresh(ctx, &store.Record{Token: first})
	if err != nil {
		return err
	}
	if second.RefreshToken == "" || second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken {
		return errors.New("nothing was rotated")
	}
	if _, err := c.IDToken(ctx, second); err != nil {
		return err
	}
	if _, err = c.Refresh(ctx, &store.Record{Token: first}); class(err) != grants.GrantDead {
		return errors.Join(errors.New("a second use is not refused"), err)
	}
	_, err = c.Refresh(ctx, &store.Record{Token: second})
	return must(class(err) == grants.GrantDead, "the family outlives the second use: %v", err)
}

// counting counts token requests.
type counting struct{ n atomic.Int64 }

func (t *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		t.n.Add(1)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func kept(ctx context.Context, w *world) error {
	c := w.web()
	count := &counting{}
	c.HTTP = &http.Client{Transport: count}
	tokens, err := memstore.New(nil)
	if err != nil {
		return err
	}
	keep, err := keeper.New(tokens, c, nil)
	if err != nil {
		return err
	}
	defer keep.Close(ctx)
	tok, err := login(ctx, c)
	if err != nil {
		return err
	}
	tok.Expiry = time.Now()
	rec, err := keep.Start(ctx, store.Key("alice"), &store.Record{Subject: "alice", Token: tok})
	if err != nil {
		return err
	}
	count.n.Store(0)
	var callers sync.WaitGroup
	failures := make(chan error, 50)
	for range 50 {
		callers.Go(func() {
			_, err := keep.Get(ctx, rec.Handle)
			failures <- err
		})
	}
	callers.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return must(count.n.Load() == 1, "%d token requests", count.n.Load())
}

func credentials(ctx context.Context, w *world) error {
	c := w.client("service", "secret-of-service", grants.ClientSecretBasic, "read")
	tok, err := c.ClientCredentials(ctx)
	if err != nil {
		return err
	}
	in, err := c.Introspect(ctx, tok.AccessToken)
	if err != nil {
		return err
	}
	return must(in.Active && in.ClientID == "service" && slices.Equal(in.Scopes, []string{"read"}) && tok.RefreshToken == "",
		"token %v, introspection %v", tok, in)
}

func wrongSecret(ctx context.Context, w *world) error {
	_, err := w.client("service", "another", grants.ClientSecretBasic).ClientCredentials(ctx)
	return must(class(err) == grants.ConfigError, "got %v", err)
}

func privateKey(ctx context.Context, w *world) error {
	c := w.client("assertion", "", grants.PrivateKeyJWT, "openid")
	c.Signer = w.key
	if _, err := c.ClientCredentials(ctx, "read"); err != nil {
		return err
	}
	tok, err := login(ctx, c) // and so PAR
	if err != nil {
		return err
	}
	if tok, err = c.Refresh(ctx, &store.Record{Token: tok}); err != nil {
		return err
	}
	if in, err := c.Introspect(ctx, tok.AccessToken); err != nil || !in.Active {
		return errors.Join(errors.New("the token is not active"), err)
	}
	if err := c.Revoke(ctx, &store.Record{Token: tok}); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if c.Signer, err = jose.NewSigner("ES256", "interop", key); err != nil {
		return err
	}
	_, err = c.ClientCredentials(ctx, "read")
	return must(class(err) == grants.ConfigError, "another key: %v", err)
}

func secretJWT(ctx context.Context, w *world) error {
	c := w.client("hmac", "a secret of hmac that is long enough for HS256", grants.ClientSecretJWT, "read")
	_, err := c.ClientCredentials(ctx)
	return err
}

func device(ctx context.Context, w *world) error {
	c := w.client("tv", "", grants.None, "openid")
	flow, err := c.Device(ctx)
	if err != nil {
		return err
	}
	if _, err := browse(flow.VerificationURIComplete, "alice", false); err != nil {
		return err
	}
	flow.Interval = time.Millisecond // the user was quick
	tok, err := c.DeviceToken(ctx, flow)
	if err != nil {
		return err
	}
	claims, err := c.IDToken(ctx, tok)
	if err != nil {
		return err
	}
	return must(claims.Subject == "alice", "subject %q", claims.Subject)
}

func revocation(ctx context.Context, w *world) error {
	c := w.web()
	tok, err := login(ctx, c)
	if err != nil {
		return err
	}
	before, err := c.Introspect(ctx, tok.AccessToken)
	if err != nil {
		return err
	}
	if err := c.Revoke(ctx, &store.Record{Token: tok}); err != nil {
		return err
	}
	after, err := c.Introspect(ctx, tok.AccessToken)
	if err != nil {
		return err
	}
	_, err = c.Refresh(ctx, &store.Record{Token: tok})
	return errors.Join(
		must(before.Active && before.Subject == "alice" && !before.Expiry.IsZero(), "before: %v", before),
		must(!after.Active, "after: %v", after),
		must(class(err) == grants.GrantDead, "refresh after: %v", err),
	)
}

func jwtAccess(ctx context.Context, w *world) error {
	c := w.client("service", "secret-of-service", grants.ClientSecretBasic, "read")
	c.Extra = map[string]grants.Extra{
		"client_credentials": {Params: url.Values{"resource": {"https://api.example"}}},
	}
	tok, err := c.ClientCredentials(ctx)
	if err != nil {
		return err
	}
	check := &jose.Verifier{
		Keys: c.Keys, Algorithms: []string{"RS256"}, Issuer: c.Issuer, Audience: []string{"https://api.example"},
		Types: []string{"at+jwt"},
	}
	guard, err := jwtauth.New(check, nil)
	if err != nil {
		return err
	}
	rec, err := guard.Verify(ctx, tok.AccessToken)
	if err != nil {
		return err
	}
	elsewhere := *check
	elsewhere.Audience = []string{"https://another.example"}
	_, wrong := elsewhere.Verify(ctx, tok.AccessToken)
	_, broken := guard.Verify(ctx, tok.AccessToken[:len(tok.AccessToken)-4]+"AAAA")
	return errors.Join(
		must(slices.Equal(rec.Token.Scopes, []string{"read"}), "record %v", rec),
		must(errors.Is(wrong, jose.ErrInvalid), "another audience: %v", wrong),
		must(errors.Is(broken, store.ErrNotFound), "another signature: %v", broken),
	)
}

func dpop(ctx context.Context, w *world) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	signer, err := jose.NewSigner("ES256", "", key)
	if err != nil {
		return err
	}
	c := w.web()
	c.DPoP = &grants.DPoP{Key: signer}
	tok, err := login(ctx, c)
	if err != nil {
		return err
	}
	if !strings.EqualFold(tok.TokenType, "DPoP") {
		return errors.New("the token is not bound: type " + tok.TokenType)
	}
	var info struct{ Sub string }
	if err := c.UserInfo(ctx, tok, &info); err != nil {
		return err
	}
	tok, err = c.Refresh(ctx, &store.Record{Token: tok})
	if err != nil {
		return err
	}
	bare := *c
	bare.DPoP = nil
	stolen := tok
	stolen.TokenType = "Bearer"
	return errors.Join(
		must(info.Sub == "alice", "sub %q", info.Sub),
		c.UserInfo(ctx, tok, &info),
		must(bare.UserInfo(ctx, stolen, &info) != nil, "the token works without its key"),
	)
}
