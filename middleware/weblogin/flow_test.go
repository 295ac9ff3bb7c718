package weblogin_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func TestParallelTabs(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	b.signIn("alice")
	b.set("analytics", strings.Repeat("x", 200))
	var states []string
	for i := range 5 {
		states = append(states, b.start(fmt.Sprintf("/login?return_to=/tab/%d/orders?page=1", i)))
	}
	for i, state := range states {
		want := fmt.Sprintf("/tab/%d/orders?page=1", i)
		if w := b.callback("code=C&state=" + state); w.Code != 303 || w.Header().Get("Location") != want {
			t.Errorf("tab %d: %d %v", i, w.Code, w.Header())
		}
	}
	if len(s.provider.asked) != 5 {
		t.Errorf("%d token requests", len(s.provider.asked))
	}
}

// However often somebody starts, the Cookie header stays below 4 KiB, and the latest login works.
func TestEviction(t *testing.T) {
	t.Parallel()
	for name, others := range map[string]int{"alone": 0, "with other cookies": 1500, "with too many other cookies": 5000} {
		s := newSite(t, nil)
		b := s.browser()
		if others > 0 {
			b.set("other", strings.Repeat("x", others))
		}
		var state string
		for i := range 50 {
			state = b.start("/login?return_to=/" + strings.Repeat("a", i*40))
			if n := len(b.header()); n >= 4096 && others < 4096 && b.flows() > 1 {
				t.Fatalf("%s: start %d: Cookie header of %d bytes, %d flows", name, i, n, b.flows())
			}
			if b.flows() > 6 {
				t.Fatalf("%s: %d flows", name, b.flows())
			}
		}
		if w := b.callback("code=C&state=" + state); w.Code != 303 {
			t.Errorf("%s: the latest: %d", name, w.Code)
		}
	}
}

// Used logins give way before those that are under way, and rubbish under a login's name before both.
func TestUsedGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b := s.browser()
		oldest := b.start("/login")
		for range 4 {
			time.Sleep(time.Second)
			b.callback("code=C&state=" + b.start("/login"))
		}
		b.set("__Host-session-flow-rubbish", "x")
		for range 5 {
			time.Sleep(time.Second)
			b.start("/login")
		}
		if _, ok := b.values["__Host-session-flow-rubbish"]; ok {
			t.Error("rubbish stays")
		}
		if w := b.callback("code=C&state=" + oldest); w.Code != 303 {
			t.Errorf("the oldest login under way had to go: %d", w.Code)
		}
	})
}

func TestFlowExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b := s.browser()
		state := b.start("/login")
		time.Sleep(599 * time.Second)
		in := b.copied()
		if w := in.callback("code=C&state=" + state); w.Code != 303 {
			t.Errorf("after 599 s: %d", w.Code)
		}
		used := in.copied()
		time.Sleep(2 * time.Second)
		if w := used.callback("code=C&state=" + state); w.Code != 400 || used.user() != "alice" {
			t.Errorf("reloaded after 601 s: %d", w.Code)
		}
		late := b.copied()
		if w := b.callback("code=C&state=" + state); w.Code != 400 || b.flows() != 0 {
			t.Errorf("after 601 s: %d, %d flows", w.Code, b.flows())
		}
		if late.start("/login"); late.flows() != 1 {
			t.Errorf("the old login's cookie stays beside the new one")
		}
	})
}

// Somebody else's cookie, a changed one, two of a name: none of them is this browser's login.
func TestForeignFlowCookies(t *testing.T) {
	t.Parallel()
	s, elsewhere := newSite(t, nil), newSite(t, nil)
	b := s.browser()
	state := b.start("/login")
	name := b.names[0]
	value := b.values[name]
	foreign := elsewhere.browser()
	foreign.start("/login")
	for what, cookie := range map[string]string{
		"another deployment's": name + "=" + foreign.values[foreign.names[0]],
		"extended":             name + "=" + value + "A",
		"changed":              name + "=B" + value[1:],
		"twice":                name + "=" + value + "; " + name + "=" + value,
		"upper case":           strings.ToUpper(name) + "=" + value,
		"none":                 "",
		"empty":                name + "=",
	} {
		c := s.browser()
		w := c.do(s.web.Callback, "GET", "/callback?code=C&state="+state, nil, "Cookie", cookie)
		if w.Code != 400 || len(s.provider.asked) != 0 {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
	// The cookie of one login does not vouch for another one's state.
	second := b.start("/login")
	c := s.browser()
	c.set(b.names[1], value)
	if w := c.callback("code=C&state=" + second); w.Code != 400 {
		t.Errorf("swapped: %d", w.Code)
	}
	for _, state := range []string{second, state} {
		if w := b.callback("code=C&state=" + state); w.Code != 303 {
			t.Errorf("used up by the swap: %d", w.Code)
		}
	}
}

// Two callbacks of one login at once, and a copy of its cookie on another replica: the code is sent once.
func TestSingleUse(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	state := b.start("/login")
	copies := make([]*browser, 20)
	for i := range copies {
		copies[i] = b.copied()
	}
	var wg sync.WaitGroup
	codes := make([]int, len(copies))
	for i, c := range copies {
		wg.Go(func() { codes[i] = c.callback("code=C&state=" + state).Code })
	}
	wg.Wait()
	won := 0
	for _, code := range codes {
		if code == 303 {
			won++
		} else if code != 400 {
			t.Errorf("status %d", code)
		}
	}
	if won != 1 || len(s.provider.asked) != 1 {
		t.Errorf("%d sessions, %d token requests", won, len(s.provider.asked))
	}
}

func TestSharedFlowsAcrossReplicas(t *testing.T) {
	t.Parallel()
	flows, _ := memstore.New(nil)
	c := &config{}
	c.o.Flows = flows
	s := newSite(t, c)
	replica, err := weblogin.New(s.client, s.session, func(ctx context.Context, rec *store.Record) error { return s.identify(ctx, rec) }, &weblogin.Options{Flows: flows})
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	state := b.start("/login")
	stolen := b.copied()
	if w := b.callback("code=C&state=" + state); w.Code != 303 {
		t.Fatalf("%d", w.Code)
	}
	if w := b.do(replica.Callback, "GET", "/callback?code=C&state="+state, nil); w.Code != 303 {
		t.Errorf("reloaded at the other replica: %d", w.Code)
	}
	if w := stolen.do(replica.Callback, "GET", "/callback?code=C&state="+state, nil); w.Code != 400 || len(s.provider.asked) != 1 {
		t.Errorf("the other replica: %d, %d token requests", w.Code, len(s.provider.asked))
	}
}

// The cookie of a used login says so itself: to a replica that remembers nothing, and after a restart.
func TestReloadAfterRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	state := b.start("/login?return_to=/home")
	b.callback("code=C&state=" + state)
	restarted, err := weblogin.New(s.client, s.session, func(ctx context.Context, rec *store.Record) error { return s.identify(ctx, rec) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w := b.do(restarted.Callback, "GET", "/callback?code=C&state="+state, nil); w.Code != 303 || w.Header().Get("Location") != "/home" {
		t.Errorf("with a session: %d %v", w.Code, w.Header())
	}
	b.drop("__Host-session")
	if w := b.do(restarted.Callback, "GET", "/callback?code=C&state="+state, nil); w.Code != 400 || len(s.provider.asked) != 1 {
		t.Errorf("without: %d, %d token requests", w.Code, len(s.provider.asked))
	}
}

type downStore struct{ store.TokenStore }

func (downStore) Put(context.Context, store.Handle, *store.Record) (*store.Record, error) {
	return nil, errors.New("connection refused at 10.0.0.7")
}

// A memory of used logins that is down uses none up: the code is kept for the next try.
func TestFlowsDown(t *testing.T) {
	t.Parallel()
	tokens, _ := memstore.New(nil)
	c := &config{}
	c.o.Flows = downStore{tokens}
	s := newSite(t, c)
	b := s.browser()
	state := b.start("/login")
	w := b.callback("code=C&state=" + state)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || len(s.provider.asked) != 0 || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if !strings.Contains(s.logs.String(), "10.0.0.7") {
		t.Errorf("log %s", s.logs)
	}
}
