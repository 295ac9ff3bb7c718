package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// world is everything but the load: the demo, its sessions, and who watches.
type world struct {
	plan    plan
	dir     string
	schema  *schema
	demo    *demo
	watch   *watch
	site    *httptest.Server // the watch's
	signing time.Duration    // what it took to sign everybody in
	late    map[int]string   // sessions that did not come to rest after the run, and why
	said    string           // what the judge has to say
}

func begin(ctx context.Context, p plan) (w *world, err error) {
	w = &world{plan: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.end())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "load"); err != nil {
		return w, err
	}
	if w.schema, err = newSchema(ctx); err != nil {
		return w, err
	}
	if w.demo, err = startDemo(ctx, p, w.dir, w.schema.source); err != nil {
		return w, err
	}
	sessions, err := w.signIn(ctx)
	if err != nil {
		return w, err
	}
	w.watch = newWatch(w.demo.url, sessions)
	w.site = httptest.NewServer(w.watch)
	return w, nil
}

// accounts are those that the demo knows: login, password, id.
var accounts = [][3]string{
	{"alice@example.org", "wonderland", "alice"}, {"admin@break-out.org", "password", "breakout"}, {"admin", "admin", "admin"},
}

// patience is for what the provider fails: half of a twentieth of all logins, and as many again.
const patience = 20

// signIn begins all sessions as programs do that have a password: each is a login of its own. It takes half of a token's
// life, so that refreshes do not come all at once.
func (w *world) signIn(ctx context.Context) ([]*session, error) {
	began := time.Now()
	sessions := make([]*session, w.plan.sessions)
	out := &http.Transport{MaxIdleConnsPerHost: w.plan.connections}
	defer out.CloseIdleConnections()
	errs := make(chan error, w.plan.connections)
	var wg sync.WaitGroup
	for worker := range w.plan.connections {
		wg.Go(func() {
			for i := worker; i < len(sessions); i += w.plan.connections {
				share := float64(i) / float64(len(sessions))
				time.Sleep(time.Until(began.Add(time.Duration(share * float64(w.plan.ttl/2)))))
				var err error
				if sessions[i], err = logIn(ctx, out, w.demo.url, accounts[i%len(accounts)]); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	w.signing = time.Since(began)
	return sessions, <-errs
}

func logIn(ctx context.Context, out http.RoundTripper, at string, account [3]string) (*session, error) {
	form := url.Values{"username": {account[0]}, "password": {account[1]}}.Encode()
	var a answer
	for range patience {
		a = post(ctx, out, at+"/api/login", form)
		var told struct{ Handle string }
		if a.status == http.StatusOK && json.Unmarshal(a.body, &told) == nil {
			s := &session{credential: "Bearer " + told.Handle, user: fmt.Sprintf(`"id":%q`, account[2])}
			s.note(a.header)
			return s, nil
		}
	}
	return nil, fmt.Errorf("signing in: %d %s", a.status, a.body)
}

// script is what wrk runs: all sessions in turn, in an order of its own, two requests at once for each, so that every expiry
// is met by two replicas.
func (w *world) script() (string, error) {
	var b strings.Builder
	b.WriteString("local sessions = {\n")
	for _, i := range rand.Perm(len(w.watch.sessions)) {
		fmt.Fprintf(&b, "%q,\n", w.watch.sessions[i].credential)
	}
	b.WriteString(`}
local threads, n = 0, 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end
function request()
  local i = (2 * math.floor(n / 2) + id) % #sessions + 1
  n = n + 1
  return wrk.format("GET", "/api/me", {["Authorization"] = sessions[i]})
end
`)
	path := filepath.Join(w.dir, "sessions.lua")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// settle has every user come once more after the load, and again until what was under way has come to its end: all must
// still be signed in, each with the last token that the provider gave. Refreshes of killed replicas take a lease's time.
func (w *world) settle(ctx context.Context) (unsettled map[int]string) {
	deadline := time.Now().Add(time.Minute)
	var open []int
	for i := range w.watch.sessions {
		open = append(open, i)
	}
	for len(open) > 0 {
		w.visitAll(ctx, open)
		calls, _ := w.demo.records()
		unsettled = w.restless(calls)
		open = open[:0]
		for i := range unsettled {
			open = append(open, i)
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	return unsettled
}

func (w *world) visitAll(ctx context.Context, sessions []int) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 32 {
		wg.Go(func() {
			for i := range next {
				w.watch.visit(ctx, i, "/api/me")
			}
		})
	}
	for _, i := range sessions {
		next <- i
	}
	close(next)
	wg.Wait()
}

// restless are the sessions whose last token is not what was shown of them, and why.
func (w *world) restless(calls []call) map[int]string {
	chains := chainsOf(calls)
	out := map[int]string{}
	for i, s := range w.watch.sessions {
		shown := s.tokens()
		switch c := chains.of(shown); {
		case c == nil:
			out[i] = "nothing was shown of it"
		case c.refreshes == 0:
			out[i] = "it was never refreshed"
		case !slices.Contains(shown, c.newest):
			out[i] = "the last token that the provider gave has not come in"
		}
	}
	return out
}

func (w *world) end() error {
	var errs []error
	if w.site != nil {
		w.site.Close()
	}
	if w.demo != nil {
		errs = append(errs, w.demo.stop())
	}
	if w.schema != nil {
		errs = append(errs, w.schema.drop())
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}
