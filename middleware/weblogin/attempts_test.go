package weblogin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func newMemory(t *testing.T) *memstore.Store {
	t.Helper()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (b *browser) password(username, password string) *httptest.ResponseRecorder {
	b.Helper()
	return b.do(b.web.Password, "POST", "/password", url.Values{"username": {username}, "password": {password}})
}

// onlyRight is a provider that knows one account's password.
func onlyRight(form url.Values) (int, string, error) {
	if form.Get("username") == "alice" && form.Get("password") == "right" {
		return 200, `{"access_token":"at-secret","token_type":"Bearer"}`, nil
	}
	return 400, `{"error":"invalid_grant"}`, nil
}

// Ten wrong passwords in ten minutes; what comes then is refused unseen, the right one included, and an account that
// does not exist looks the same.
func TestWrongPasswords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		s.provider.answer = onlyRight
		b := s.browser()
		answers := map[string]string{}
		for _, account := range []string{"alice", "nobody"} {
			for i := range 10 {
				if w := b.password(account, "wrong"); w.Code != 403 {
					t.Fatalf("%s, try %d: %d", account, i, w.Code)
				}
			}
			asked := len(s.provider.asked)
			w := b.password(account, "right")
			if w.Code != 429 || w.Header().Get("Retry-After") != "600" || len(s.provider.asked) != asked {
				t.Errorf("%s: %d, Retry-After %q", account, w.Code, w.Header().Get("Retry-After"))
			}
			answers[account] = w.Body.String()
		}
		if answers["alice"] != answers["nobody"] {
			t.Errorf("%q and %q tell accounts apart", answers["alice"], answers["nobody"])
		}
		if w := b.password(" ALICE ", "wrong"); w.Code != 429 {
			t.Errorf("another spelling: %d", w.Code)
		}
		if w := b.password("bob", "wrong"); w.Code != 403 {
			t.Errorf("another account: %d", w.Code)
		}
		time.Sleep(10*time.Minute - time.Second)
		if w := b.password("alice", "right"); w.Code != 429 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("just before: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		time.Sleep(time.Second)
		if w := b.password("alice", "right"); w.Code != 303 {
			t.Errorf("ten minutes later: %d", w.Code)
		}
	})
}

// What is no guess does not count: right passwords, and a provider that looked at none.
func TestOnlyGuessesCount(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	for _, answer := range []func(url.Values) (int, string, error){
		onlyRight, answers(503, ""), answers(500, ""), answers(429, ""),
		func(url.Values) (int, string, error) { return 0, "", context.DeadlineExceeded },
	} {
		s.provider.answer = answer
		for range 15 {
			if w := b.password("alice", "right"); w.Code == 429 {
				t.Fatal("429")
			}
		}
	}
	s.provider.answer = answers(401, `{"error":"bad_login"}`) // a code of the provider's own
	for range 10 {
		b.password("alice", "wrong")
	}
	if w := b.password("alice", "wrong"); w.Code != 429 {
		t.Errorf("a refusal in the provider's own words does not count: %d", w.Code)
	}
}

// Guesses side by side do not pass together.
func TestGuessesSideBySide(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	var asked atomic.Int64
	s.provider.answer = func(form url.Values) (int, string, error) {
		asked.Add(1)
		return onlyRight(form)
	}
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			body := strings.NewReader(url.Values{"username": {"alice"}, "password": {"wrong"}}.Encode())
			r := httptest.NewRequest("POST", "/password", body)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			s.web.Password.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	all.Wait()
	if n := asked.Load(); n != 10 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// The caller says what an address is; nothing in the request does.
func TestAttemptsByAddress(t *testing.T) {
	t.Parallel()
	c := &config{}
	c.o.ClientAddress = func(r *http.Request) string { return r.Header.Get("X-From") }
	s := newSite(t, c)
	s.provider.answer = onlyRight
	b := s.browser()
	try := func(account, password, from string) int {
		return b.do(s.web.Password, "POST", "/password", url.Values{"username": {account}, "password": {password}}, "X-From", from).Code
	}
	for i := range 100 {
		if got := try("u"+strconv.Itoa(i), "wrong", "192.0.2.1"); got != 403 {
			t.Fatalf("try %d: %d", i, got)
		}
		if got := try("alice", "right", "192.0.2.1"); got != 303 && i < 99 {
			t.Fatalf("a right password after %d wrong ones: %d", i+1, got)
		}
	}
	if got := try("alice", "right", "192.0.2.1"); got != 429 {
		t.Errorf("101st: %d", got)
	}
	if got := try("alice", "right", "192.0.2.2"); got != 303 {
		t.Errorf("another address: %d", got)
	}
	if got := try("alice", "right", ""); got != 303 {
		t.Errorf("no address: %d", got)
	}
	// An account at its limit is not paid for by the address.
	for range 10 {
		try("carol", "wrong", "192.0.2.3")
	}
	for range 100 {
		try("carol", "wrong", "192.0.2.3")
	}
	if got := try("alice", "right", "192.0.2.3"); got != 303 {
		t.Errorf("the address paid for tries that were refused: %d", got)
	}
}

// Who cannot count lets nobody guess.
func TestAttemptsWithoutStore(t *testing.T) {
	t.Parallel()
	c := &config{}
	flows := &unsteady{TokenStore: newMemory(t), down: true}
	c.o.Flows = flows
	s := newSite(t, c)
	b := s.browser()
	if w := b.password("alice", "right"); w.Code != 503 || w.Header().Get("Retry-After") == "" || len(s.provider.asked) != 0 {
		t.Errorf("%d, asked %d times", w.Code, len(s.provider.asked))
	}
	c.o.Flows = keysNever{newMemory(t)}
	if w := newSite(t, c).browser().password("alice", "right"); w.Code != 503 {
		t.Errorf("writes fail: %d", w.Code)
	}
	c.o.Flows = conflicts{newMemory(t)}
	if w := newSite(t, c).browser().password("alice", "right"); w.Code != 503 {
		t.Errorf("writes never succeed: %d", w.Code)
	}
	flows.down = false
	s.provider.answer = func(form url.Values) (int, string, error) {
		flows.down = true
		return onlyRight(form)
	}
	if w := b.password("alice", "right"); w.Code != 303 || !strings.Contains(s.logs.String(), "still counts") {
		t.Errorf("a right password that could not be uncounted: %d, log %s", w.Code, s.logs)
	}
}

type keysNever struct{ store.TokenStore }

func (keysNever) Put(context.Context, store.Handle, *store.Record) (*store.Record, error) {
	return nil, errDown
}

type conflicts struct{ store.TokenStore }

func (conflicts) Put(context.Context, store.Handle, *store.Record) (*store.Record, error) {
	return nil, store.ErrConflict
}
