package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// world is everything but the load: sessions, provider, replicas, front.
type world struct {
	plan     plan
	dir      string
	sessions []session
	provider *provider
	issuer   *httptest.Server
	fleet    *fleet
	front    *front
	site     *httptest.Server
	late     map[int]string // sessions that were gone after the run, and why
	said     string         // what the judge has to say
	drop     func() error
}

// session is one user's: what the browser sends, and when its first token expires.
type session struct {
	credential string
	expires    time.Time
}

func user(i int) string { return fmt.Sprint("user-", i) }

func begin(ctx context.Context, p plan) (w *world, err error) {
	w = &world{plan: p}
	defer func() {
		if err != nil {
			w.end()
		}
	}()
	if w.dir, err = os.MkdirTemp("", "load"); err != nil {
		return w, err
	}
	w.provider = newProvider(p)
	w.issuer = httptest.NewServer(w.provider)
	conf := replicaConfig{Key: seal.NewKey(), Table: fmt.Sprintf("load_%d_%d", os.Getpid(), time.Now().UnixNano()%1e9), TokenURL: w.issuer.URL}
	if err := w.seed(ctx, conf); err != nil {
		return w, err
	}
	if w.fleet, err = newFleet(ctx, p.replicas, conf); err != nil {
		return w, err
	}
	w.front = newFront(w)
	w.site = httptest.NewServer(w.front)
	return w, nil
}

// seed signs all users in. Their tokens expire all over the run, but for its beginning and its end.
func (w *world) seed(ctx context.Context, conf replicaConfig) error {
	db, closer, err := conf.database()
	if err != nil {
		return err
	}
	w.drop = func() error { return errors.Join(db.Migrator().DropTable(conf.Table), closer()) }
	tokens, err := conf.open(ctx, db, true)
	if err != nil {
		return err
	}
	keep, err := keeper.New(tokens, nil, nil)
	if err != nil {
		return err
	}
	defer keep.Close(ctx)
	w.sessions = make([]session, w.plan.sessions)
	wait := time.Duration(w.plan.sessions) * 500 * time.Microsecond // what seeding the rest may take
	began := time.Now().Add(wait)
	errs := make(chan error, 32)
	var wg sync.WaitGroup
	for worker := range cap(errs) {
		wg.Go(func() {
			for i := worker; i < len(w.sessions); i += cap(errs) {
				share := float64(i) / float64(len(w.sessions))
				at := began.Add(w.plan.duration/10 + time.Duration(share*float64(w.plan.duration)*0.75))
				rec, err := keep.Start(ctx, store.Handle{}, &store.Record{
					Subject: user(i), Provider: "load", Expires: time.Now().Add(24 * time.Hour),
					Token: store.Token{AccessToken: accessToken(i, 0), TokenType: "Bearer", RefreshToken: refreshToken(i, 0), Expiry: at},
				})
				if err != nil {
					errs <- err
					return
				}
				w.sessions[i] = session{rec.Handle.Reveal(), at}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// script is what wrk runs: a random session with each request.
func (w *world) script() (string, error) {
	var b strings.Builder
	b.WriteString("local t = {\n")
	for _, s := range w.sessions {
		fmt.Fprintf(&b, "%q,\n", s.credential)
	}
	b.WriteString(`}
function init(args) math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16) % 100000) end
function request()
  return wrk.format("GET", "/me", {["Authorization"] = "Bearer " .. t[math.random(#t)]})
end
`)
	path := filepath.Join(w.dir, "sessions.lua")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// visitAll has every user come once more after the load: all must still be signed in, with a token that was refreshed.
func (w *world) visitAll(ctx context.Context) (failed map[int]string) {
	failed = map[int]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	client := w.site.Client()
	for worker := range 16 {
		wg.Go(func() {
			for i := worker; i < len(w.sessions); i += 16 {
				why := ""
				for range 40 { // what is unavailable for a moment is asked for again
					if why = visit(ctx, client, w.site.URL, w.sessions[i].credential); !strings.HasPrefix(why, "503") {
						break
					}
					time.Sleep(250 * time.Millisecond)
				}
				if why != "" {
					mu.Lock()
					failed[i] = why
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed
}

func visit(ctx context.Context, client *http.Client, url, credential string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/me", nil)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+credential)
	resp, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Sprintf("%s %s %v", resp.Status, body, err)
	}
	return ""
}

func (w *world) end() {
	if w.site != nil {
		w.site.Close()
	}
	if w.fleet != nil {
		w.fleet.close()
	}
	if w.issuer != nil {
		w.issuer.Close()
	}
	if w.drop != nil {
		if err := w.drop(); err != nil {
			fmt.Fprintln(os.Stderr, "load: cleaning up:", err)
		}
	}
	os.RemoveAll(w.dir)
}
