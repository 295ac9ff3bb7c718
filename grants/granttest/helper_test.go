package granttest_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/granttest"
	"github.com/tokenkeep/tokenkeep/store"
)

// login gets alice's tokens by password.
func login(t *testing.T, p *granttest.Provider) store.Token {
	t.Helper()
	tok, err := p.Client.Password(t.Context(), "alice", granttest.Password)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// refresh spends a refresh token.
func refresh(t *testing.T, c *grants.Client, refreshToken string) (store.Token, error) {
	t.Helper()
	return c.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: refreshToken}})
}

// must refreshes where nothing else is allowed, and returns a token that always has a refresh token.
func must(t *testing.T, p *granttest.Provider, refreshToken string) store.Token {
	t.Helper()
	tok, err := refresh(t, p.Client, refreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if tok.RefreshToken == "" {
		tok.RefreshToken = refreshToken
	}
	return tok
}

// lives asks the provider whether a token is good; a refresh token: good and unspent.
func lives(t *testing.T, p *granttest.Provider, token string) bool {
	t.Helper()
	in, err := p.Client.Introspect(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return in.Active
}

func record(tok store.Token) *store.Record { return &store.Record{Token: tok} }

func query(t *testing.T, callback string) url.Values {
	t.Helper()
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// fakeT is a test whose failures can be looked at.
type fakeT struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Cleanup(do func()) { f.cleanups = append(f.cleanups, do) }
func (f *fakeT) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}
func (f *fakeT) Fatal(args ...any) {
	f.errors = append(f.errors, fmt.Sprint(args...))
	panic(f)
}
