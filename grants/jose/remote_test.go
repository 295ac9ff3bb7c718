package jose_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

func TestRemoteFindsANewKeyInTheSameCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t, "a")
		want(t, r, "a", "key")
		p.change(func(p *provider) { p.set = append(p.set, edKey("b")) })
		want(t, r, "b", "key")
		want(t, r, "a", "key")
		if n := p.fetches.Load(); n != 2 {
			t.Fatalf("%d fetches, want 2", n)
		}
	})
}

func TestRemoteAsksOnceForMadeUpKids(t *testing.T) {
	t.Parallel()
	for _, warm := range []bool{true, false} {
		t.Run(fmt.Sprint("warm ", warm), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, r := serve(t, "good")
				if warm {
					want(t, r, "good", "key")
				}
				p.fetches.Store(0)
				p.change(func(p *provider) { p.latency = 3 * time.Second })
				var all sync.WaitGroup
				for i := range 10_000 {
					all.Go(func() {
						if got := has(r, fmt.Sprint("made up ", i)); got == "key" {
							t.Error("found a made-up key")
						}
					})
					time.Sleep(time.Millisecond)
					if !warm {
						continue
					}
					start := time.Now()
					want(t, r, "good", "key")
					if waited := time.Since(start); waited != 0 {
						t.Fatalf("a good token waited %s", waited)
					}
				}
				all.Wait()
				if n := p.fetches.Load(); n != 1 {
					t.Fatalf("%d fetches for 10,000 kids in 10 s, want 1", n)
				}
				time.Sleep(30 * time.Second)
				want(t, r, "made up", "none")
				if n := p.fetches.Load(); n != 2 {
					t.Fatalf("%d fetches after half a minute, want 2", n)
				}
			})
		})
	}
}

func TestRemoteBoundsWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t, "a")
		var all sync.WaitGroup
		var answers sync.Map
		for range 1500 {
			all.Go(func() {
				start := time.Now()
				got := has(r, "a")
				n, _ := answers.LoadOrStore(fmt.Sprint(got, " after ", time.Since(start)), new(atomic.Int64))
				n.(*atomic.Int64).Add(1)
			})
		}
		all.Wait()
		for answer, n := range map[string]int64{"key after 100ms": 1000, "error after 0s": 500} {
			if got, ok := answers.Load(answer); !ok || got.(*atomic.Int64).Load() != n {
				t.Errorf("%s: not %d times", answer, n)
			}
		}
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestRemoteOutlivesItsCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t, "a")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := r.Keys(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Millisecond {
			t.Fatalf("%v after %s, want the caller's deadline", err, time.Since(start))
		}
		time.Sleep(90 * time.Millisecond)
		synctest.Wait()
		gone, stop := context.WithCancel(t.Context())
		stop()
		if keys, err := r.Keys(gone, "a"); err != nil || len(keys) != 1 {
			t.Fatalf("known keys need no waiting: %v", err)
		}
		if n := p.fetches.Load(); n != 1 {
			t.Fatalf("%d fetches, want the first caller's", n)
		}
	})
}

func TestRemoteDropsWithdrawnKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t, "a", "b")
		want(t, r, "a", "key")
		first := r.Generation()
		p.change(func(p *provider) { p.set = p.set[:1] })
		time.Sleep(5 * time.Minute)
		want(t, r, "b", "key") // starts the fetch and does not wait for it
		time.Sleep(time.Second)
		want(t, r, "a", "key")
		want(t, r, "b", "none")
		if r.Generation() == first {
			t.Error("the generation did not change")
		}
	})
}

func TestRemoteAfterSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t, "a")
		want(t, r, "a", "key")
		p.change(func(p *provider) { p.set = jose.KeySet{edKey("b")} })
		time.Sleep(20 * time.Minute)
		want(t, r, "a", "none") // nobody has looked for so long that it does not count as known
		want(t, r, "b", "key")
		if n := p.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

func TestRemoteWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t, "a")
		want(t, r, "a", "key")
		first := r.Generation()
		p.change(func(p *provider) { p.fail = errors.New("down") })
		start := time.Now()
		for time.Since(start) < 59*time.Minute {
			time.Sleep(time.Second)
			before := time.Now()
			want(t, r, "a", "key")
			if waited := time.Since(before); waited != 0 {
				t.Fatalf("waited %s", waited)
			}
		}
		if n := p.fetches.Load(); n > 120 {
			t.Errorf("%d fetches in 54 minutes of failing, want one in 30 s", n)
		}
		want(t, r, "b", "error") // nobody can know whether there is a b by now
		time.Sleep(2 * time.Minute)
		want(t, r, "a", "error")
		if r.Generation() != first {
			t.Error("nothing was fetched, yet the generation changed")
		}
		p.change(func(p *provider) { p.fail = nil })
		time.Sleep(30 * time.Second)
		want(t, r, "a", "key")
		want(t, r, "b", "none")
	})
}

func TestRemoteHoldsOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t)
		p.fail = errors.New("down")
		var at []time.Duration
		start := time.Now()
		for time.Since(start) < 2*time.Minute {
			n := p.fetches.Load()
			want(t, r, "a", "error")
			if p.fetches.Load() != n {
				at = append(at, time.Since(start).Truncate(time.Second))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got, want := fmt.Sprint(at), "[0s 1s 3s 7s 15s 31s 1m1s 1m31s]"; got != want {
			t.Errorf("fetches at %s, want %s", got, want)
		}
	})
}

func TestRemoteRefusesAnswers(t *testing.T) {
	t.Parallel()
	tooMany := jose.KeySet{}
	for i := range 101 {
		tooMany = append(tooMany, edKey(fmt.Sprint(i)))
	}
	for name, p := range map[string]*provider{
		"slow":     {latency: time.Minute},
		"html":     {body: "<html>"},
		"status":   {status: 404},
		"redirect": {status: 307},
		"large":    {body: `{"keys":[]}` + strings.Repeat(" ", 512<<10)},
		"10k keys": {set: tooMany},
		"no keys":  {body: `{}`},
		"null":     {body: `{"keys":null}`},
		"twice":    {body: `{"keys":[],"keys":[]}`},
		"panic":    {panics: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := remote(t, p, nil)
				start := time.Now()
				if _, err := r.Keys(t.Context(), "1"); err == nil || errors.Is(err, jose.ErrInvalid) {
					t.Fatalf("%v, want an error that is not ErrInvalid", err)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Fatalf("took %s", took)
				}
			})
		})
	}
}

func TestRemoteIgnoresSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{body: `{"keys":[{"kty":"oct","kid":"s","k":"` + strings.Repeat("AAAA", 16) + `"}]}`}
		want(t, remote(t, p, nil), "s", "none")
	})
}

func TestRemoteKeysWithoutKid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t, "", "a")
		for kid, n := range map[string]int{"": 2, "a": 2, "other": 1} {
			if keys, err := r.Keys(t.Context(), kid); err != nil || len(keys) != n {
				t.Errorf("kid %q: %d keys, want %d (%v)", kid, len(keys), n, err)
			}
		}
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestRemoteClose(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		testClose(t, deaf)
	}
}

func testClose(t *testing.T, deaf bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, r := serve(t, "a")
		p.latency, p.deaf = time.Minute, deaf
		errs := make(chan error)
		go func() { _, err := r.Keys(context.Background(), "a"); errs <- err }()
		synctest.Wait()
		start := time.Now()
		r.Close()
		if err := <-errs; err == nil || time.Since(start) != 0 {
			t.Errorf("%v after %s, want an error at once", err, time.Since(start))
		}
		want(t, r, "a", "error")
	})
}

func TestNewRemoteRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "/jwks", "http://issuer.example/jwks", "https://user:pass@issuer.example/", "https://issuer.example/#x", "ftp://localhost/",
		"http://localhost.evil.example/", "http://127.0.0.1.evil.example/", "https://",
	} {
		if _, err := jose.NewRemote(url, nil); err == nil {
			t.Errorf("%q was accepted", url)
		} else if strings.Contains(err.Error(), "pass") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := jose.NewRemote("http://issuer.example/jwks", &jose.RemoteOptions{InsecureAllowHTTP: true}); err != nil {
		t.Errorf("http, allowed: %v", err)
	}
	for _, url := range []string{"https://issuer.example/jwks?x=1", "http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/jwks"} {
		if _, err := jose.NewRemote(url, nil); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
	_, err := jose.NewRemote("x", &jose.RemoteOptions{MaxAge: time.Hour, MaxStale: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "URL") || !strings.Contains(err.Error(), "MaxStale") {
		t.Errorf("%v, want both faults", err)
	}
}

// A redirect is not followed, and what fails says nothing of the URL's query.
func TestRemoteOverTheNetwork(t *testing.T) {
	t.Parallel()
	var second atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { second.Add(1) }))
	defer other.Close()
	mux := http.NewServeMux()
	mux.Handle("/moved", http.RedirectHandler(other.URL, http.StatusFound))
	key := edKey("a")
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(jose.KeySet{key}) })
	first := httptest.NewServer(mux)
	defer first.Close()
	for path, want := range map[string]string{"/moved?marker": "error", "/jwks?marker": "key"} {
		r, err := jose.NewRemote(first.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if got := has(r, "a"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		if _, err := r.Keys(t.Context(), "a"); err != nil && strings.Contains(err.Error(), "marker") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n := second.Load(); n != 0 {
		t.Errorf("the second host saw %d requests", n)
	}
	first.Close()
	r, err := jose.NewRemote(first.URL+"/jwks?marker", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Keys(t.Context(), "a"); err == nil || strings.Contains(err.Error(), "marker") {
		t.Errorf("%v", err)
	}
}
