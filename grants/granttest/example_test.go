package granttest_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/granttest"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// signIn is what the application under test does when a user connects an account; the token lives that long.
func signIn(p *granttest.Provider, life time.Duration) (*keeper.Keeper, store.Handle, error) {
	tokens, err := memstore.New(nil)
	if err != nil {
		return nil, store.Handle{}, err
	}
	keep, err := keeper.New(tokens, p.Client, nil)
	if err != nil {
		return nil, store.Handle{}, err
	}
	token, err := p.Client.Password(context.Background(), "alice", granttest.Password)
	if err != nil {
		return nil, store.Handle{}, err
	}
	token.Expiry = time.Now().Add(life)
	rec, err := keep.Start(context.Background(), store.Key("partner", "alice"), &store.Record{Token: token})
	if err != nil {
		return nil, store.Handle{}, err
	}
	return keep, rec.Handle, nil
}

// An application tests its own refresh: the provider carries it out and the answer is lost, whatever the provider then
// thinks of the same refresh token a second time.
func Example() {
	for _, rotation := range []granttest.Rotation{granttest.Fixed, granttest.GraceSame, granttest.Revoking} {
		p := granttest.New(nil) // in a test: granttest.New(t), and no Close
		p.Rotate(rotation)
		keep, h, err := signIn(p, time.Hour)
		if err != nil {
			fmt.Println(err)
			return
		}
		p.Next("refresh_token", granttest.Fault{Drop: true})
		rec, err := keep.Refresh(context.Background(), h)
		switch {
		case err == nil:
			_, err = p.Server().Verify(context.Background(), rec.Token.AccessToken)
			fmt.Println(rotation, "signed in, token good:", err == nil)
		case errors.Is(err, keeper.ErrLoginRequired):
			fmt.Println(rotation, "has to sign in again, once")
		default:
			fmt.Println(rotation, err)
		}
		keep.Close(context.Background())
		p.Close()
	}
	// Output:
	// P0 signed in, token good: true
	// P1a signed in, token good: true
	// P3 has to sign in again, once
}

// Exactly one token request, however many callers find the token expired.
func ExampleProvider_Requests() {
	p := granttest.New(nil)
	defer p.Close()
	keep, h, err := signIn(p, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer keep.Close(context.Background())
	p.Next("refresh_token", granttest.Fault{After: 10 * time.Millisecond}) // time for all to ask

	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() {
			if _, err := keep.Get(context.Background(), h); err != nil {
				fmt.Println(err)
			}
		})
	}
	callers.Wait()
	for _, r := range p.Requests("refresh_token") {
		fmt.Println(r)
	}
	// Output:
	// POST /token, Basic grant_type=refresh_token refresh_token=…: 200
}

// A login through the browser, which the provider's own user goes through.
func ExampleProvider_Allow() {
	p := granttest.New(nil)
	defer p.Close()
	ctx := context.Background()
	flow, err := p.Client.AuthorizationCode(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	callback, err := url.Parse(p.Allow(flow.URL, "alice"))
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := p.Client.Exchange(ctx, flow, callback.Query())
	if err != nil {
		fmt.Println(err)
		return
	}
	rec, err := p.Server().Verify(ctx, token.AccessToken)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rec.Subject, token.Scopes)
	// Output: alice [read write]
}
