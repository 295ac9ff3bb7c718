package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
)

// unreplicated is for how long the primary acknowledges writes that its replica never gets.
const unreplicated = 300 * time.Millisecond

// failover is two Redis servers of its own, of which the second is promoted while the first still serves, and then the
// first is killed: what it acknowledged in between is lost.
type failover struct {
	p       *provider
	dir     string
	primary *exec.Cmd
	replica *exec.Cmd
	ports   [2]int
	current atomic.Int64 // the port that clients are to use
	grants  int

	mu    sync.Mutex
	ended map[string]time.Time // logouts that were acknowledged
	wrong []string
}

// runFailover judges one kind of provider: a grant is lost only if its refresh was acknowledged and not replicated, and
// the provider does not forgive; a logout older than the promotion holds; nobody gets another's token.
func runFailover(c config) error {
	f := &failover{p: newProvider(c.provider), grants: c.grants, ended: map[string]time.Time{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: f.p}
	go server.Serve(listener)
	defer server.Close()
	defer f.stop()
	if err := f.start(); err != nil {
		return err
	}
	key := make([]byte, 32)
	rand.Read(key)
	var keeps []*keeper.Keeper
	for range c.workers {
		keep, err := f.keeper(c, key, "http://"+listener.Addr().String())
		if err != nil {
			return err
		}
		keeps = append(keeps, keep)
	}
	ctx := context.Background()
	for n := range f.grants {
		grant := fmt.Sprint("g", n)
		token := store.Token{AccessToken: "secret-" + grant + "-a0", RefreshToken: f.p.issue(grant), Expiry: time.Now()}
		if _, err := keeps[0].Start(ctx, grantKey(grant), &store.Record{Provider: "chaos", Token: token}); err != nil {
			return err
		}
	}
	promoted, killed, err := f.under(ctx, keeps)
	if err != nil {
		return err
	}
	report := f.judge(ctx, keeps[0], promoted, killed)
	fmt.Printf("redis    %-3s failover: %s\n", c.provider, report)
	for _, keep := range keeps {
		err = errors.Join(err, keep.Close(ctx))
	}
	if len(f.wrong) > 0 {
		err = errors.Join(err, fmt.Errorf("violated:\n  %s", strings.Join(f.wrong, "\n  ")))
	}
	return err
}

func (f *failover) start() (err error) {
	if f.dir, err = os.MkdirTemp("", "failover"); err != nil {
		return err
	}
	for i := range f.ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		f.ports[i] = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	common := []string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", f.dir, "--repl-diskless-sync-delay", "0"}
	f.primary = exec.Command("redis-server", append(common, "--port", fmt.Sprint(f.ports[0]))...)
	f.replica = exec.Command("redis-server", append(common, "--port", fmt.Sprint(f.ports[1]), "--replicaof", fmt.Sprintf("127.0.0.1 %d", f.ports[0]))...)
	f.current.Store(int64(f.ports[0]))
	if err := errors.Join(f.primary.Start(), f.replica.Start()); err != nil {
		return err
	}
	for range 100 {
		if info, err := f.to(f.ports[1]).Info(context.Background(), "replication").Result(); err == nil && strings.Contains(info, "master_link_status:up") {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the replica does not follow")
}

func (f *failover) to(port int) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port)})
}

// stop ends both servers, by their processes.
func (f *failover) stop() {
	for _, cmd := range []*exec.Cmd{f.primary, f.replica} {
		if cmd != nil && cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	os.RemoveAll(f.dir)
}

// keeper is one replica of the application: its connections go to whoever is primary when they are made.
func (f *failover) keeper(c config, key []byte, url string) (*keeper.Keeper, error) {
	ring, err := seal.New(key)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(&redis.Options{Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", f.current.Load()))
	}})
	tokens, err := redisstore.New(client, ring, nil)
	if err != nil {
		return nil, err
	}
	return keeper.New(tokens, c.client(url), c.options(io.Discard))
}

// under keeps all keepers asking while the primary is lost.
func (f *failover) under(ctx context.Context, keeps []*keeper.Keeper) (promoted, killed time.Time, err error) {
	stop := make(chan struct{})
	var askers sync.WaitGroup
	for _, keep := range keeps {
		for range 6 {
			askers.Go(func() { f.ask(ctx, keep, stop) })
		}
	}
	time.Sleep(3 * time.Second)
	promoted = time.Now()
	err = f.to(f.ports[1]).Do(ctx, "REPLICAOF", "NO", "ONE").Err()
	time.Sleep(unreplicated)
	killed = time.Now()
	err = errors.Join(err, f.primary.Process.Kill())
	f.current.Store(int64(f.ports[1]))
	time.Sleep(4 * time.Second)
	close(stop)
	askers.Wait()
	return promoted, killed, err
}

func (f *failover) ask(ctx context.Context, keep *keeper.Keeper, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(mrand.IntN(6)) * time.Millisecond):
		}
		n := mrand.IntN(f.grants)
		grant := fmt.Sprint("g", n)
		if n%10 == 0 && mrand.IntN(200) == 0 {
			if keep.End(ctx, grantKey(grant)) == nil {
				f.mu.Lock()
				if f.ended[grant].IsZero() {
					f.ended[grant] = time.Now()
				}
				f.mu.Unlock()
			}
			continue
		}
		if rec, err := keep.Get(ctx, grantKey(grant)); err == nil && !strings.HasPrefix(rec.Token.AccessToken, "secret-"+grant+"-") {
			f.violate("NL5: %s got another grant's token", grant)
		}
	}
}

func (f *failover) violate(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func (f *failover) judge(ctx context.Context, keep *keeper.Keeper, promoted, killed time.Time) string {
	kept, lost, back, out, refreshes := 0, 0, 0, 0, 0
	for _, e := range f.p.log {
		if e.got != "" {
			refreshes++
		}
	}
	for n := range f.grants {
		grant := fmt.Sprint("g", n)
		at, ended := f.ended[grant]
		_, err := (&driver{}).ask(ctx, keep, grant)
		switch {
		case err == nil && ended && at.Before(promoted.Add(-clockMargin)):
			f.violate("NL4: %s is back, and was signed out %v before the promotion", grant, promoted.Sub(at))
		case err == nil && ended:
			back++ // the logout was not replicated: see what REFRESH says of F20
		case err == nil:
			kept++
		case errors.Is(err, store.ErrNotFound) && (ended || n%10 == 0):
			out++
		case errors.Is(err, keeper.ErrLoginRequired) && ended:
			back++
		case errors.Is(err, keeper.ErrLoginRequired):
			lost++
			if why := f.unforgiven(grant, promoted, killed); why != "" {
				f.violate("NL3: %s was lost: %v: %s", grant, err, why)
			}
		default:
			f.violate("NL3: %s: %v", grant, err)
		}
	}
	return fmt.Sprintf("%d refreshes; of %d grants %d kept, %d signed out, %d lost with their unreplicated refresh, %d back without their unreplicated logout",
		refreshes, f.grants, kept, out, lost, back)
}

// unforgiven tells what is wrong with a loss: it needs a refresh answered while nothing was replicated (or under way
// when the primary died), and a provider that did not forgive the second use.
func (f *failover) unforgiven(grant string, promoted, killed time.Time) string {
	var first, refused time.Time
	for _, e := range f.p.log {
		switch {
		case e.grant != grant:
		case e.got != "" && !e.reuse && e.at.After(promoted.Add(-lease)) && e.at.Before(killed.Add(lease)):
			first = e.at
		case e.got == "" && refused.IsZero():
			refused = e.at
		}
	}
	switch {
	case first.IsZero():
		return "no refresh of it went unreplicated"
	case f.p.kind == "P0":
		return "its refresh token never changed"
	case f.p.kind == "P1a" && refused.Sub(first) < grace:
		return fmt.Sprintf("it was refused %v after, within the grace", refused.Sub(first))
	}
	return ""
}
