package jwtauth_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
)

// published is a provider's key set, served without a network.
type published struct {
	mu      sync.Mutex
	set     jose.KeySet
	down    bool
	fetches int
}

func (p *published) publish(signers ...*jose.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set = nil
	for _, s := range signers {
		p.set = append(p.set, s.Key())
	}
}

func (p *published) RoundTrip(*http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetches++
	if p.down {
		return nil, errors.New("down")
	}
	text, err := json.Marshal(p.set)
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(text)))}, err
}

// The life of a key, with a guard in front: published, followed, withdrawn, and the provider down.
func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := newSigner(t, "a"), newSigner(t, "b")
		p := &published{}
		p.publish(a)
		keys, err := jose.NewRemote("https://issuer.example/jwks", &jose.RemoteOptions{HTTP: &http.Client{Transport: p}})
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		rules := rules(a)
		rules.Keys = keys
		v := newVerifier(t, rules, &jwtauth.Options{Life: 10 * time.Minute})
		day := map[string]any{"exp": time.Now().Unix() + 86400}
		of := map[*jose.Signer]string{a: mint(t, a, day), b: mint(t, b, day)}
		want := func(s *jose.Signer, want int) {
			t.Helper()
			if got := status(t, v, of[s]); got != want {
				t.Fatalf("status %d, want %d", got, want)
			}
		}
		want(a, 200)
		want(b, 401) // asks again, and there is none
		time.Sleep(30 * time.Second)
		p.publish(a, b)
		want(b, 200) // on the first request
		p.publish(b)
		want(a, 200) // remembered for ten minutes, and the set is fresh
		time.Sleep(5 * time.Minute)
		want(a, 200) // what is remembered asks for no keys
		if got := status(t, v, mint(t, b, map[string]any{"sub": "43"})); got != 200 {
			t.Fatalf("status %d", got)
		}
		synctest.Wait()
		want(a, 401) // that request had the keys fetched anew: withdrawn, though remembered
		want(b, 200)
		p.mu.Lock()
		p.down = true
		p.mu.Unlock()
		time.Sleep(50 * time.Minute)
		want(b, 200) // the last good keys
		time.Sleep(20 * time.Minute)
		want(b, 503) // too old, and nobody can know: not 401
		want(a, 503)
		p.mu.Lock()
		p.down = false
		p.mu.Unlock()
		time.Sleep(30 * time.Second)
		want(b, 200)
		want(a, 401)
	})
}
