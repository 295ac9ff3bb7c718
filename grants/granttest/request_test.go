package granttest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/grants/granttest"
)

// No secret is printed, by whatever verb, encoder or logger.
func TestPrintsNoSecret(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	tok := login(t, p)
	must(t, p, tok.RefreshToken)
	p.Client.Revoke(t.Context(), record(tok)) // for the log
	flow, err := p.Client.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Client.Exchange(t.Context(), flow, query(t, p.Allow(flow.URL, "alice"))) // for the log

	all := p.Requests()
	secrets := []string{granttest.Password, p.Client.Secret, url.QueryEscape(p.Client.Secret), tok.RefreshToken, flow.State, flow.Verifier}
	for _, r := range all {
		secrets = append(secrets, r.Form.Get("code"), r.Form.Get("request"))
		if _, credentials, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
			secrets = append(secrets, credentials)
		}
	}
	var printed strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&printed, verb+verb+verb+"\n", p, all, all[0])
	}
	slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "p", p, "all", all, "one", all[0])
	encoded, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	printed.Write(encoded)
	for _, s := range secrets {
		if s != "" && strings.Contains(printed.String(), s) {
			t.Errorf("%q is printed", s)
		}
	}
	if want := `POST /token, Basic grant_type=refresh_token refresh_token=…: 200`; !strings.Contains(printed.String(), want) {
		t.Errorf("%q is not printed:\n%v", want, all)
	}
}

// What the log returns is the caller's own, and all of it may be used at once.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	p := granttest.New(t)
	p.Always("client_credentials", granttest.Fault{After: time.Microsecond})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := p.Client.ClientCredentials(t.Context()); err != nil {
					t.Error(err)
				}
				for _, r := range p.Requests() {
					r.Form.Set("grant_type", "mine")
					r.Header.Set("Authorization", "mine")
				}
				p.Skew(time.Second)
				p.Register(authserver.Client{ID: "other", Secret: "s"})
			}
		})
	}
	wg.Wait()
	for _, r := range p.Requests("client_credentials") {
		if r.Form.Get("grant_type") == "mine" || r.Header.Get("Authorization") == "mine" {
			t.Fatal("the log can be changed through what it returned")
		}
	}
	if n := len(p.Requests("client_credentials")); n != 40 {
		t.Errorf("%d requests, want 40", n)
	}
}
