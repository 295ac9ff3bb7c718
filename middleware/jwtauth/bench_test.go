package jwtauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
)

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// floor is the cache by SHA-256 alone, with nothing to spare: one configuration, one error, no user type, no record.
type floor struct {
	shards [16]struct {
		sync.RWMutex
		seen map[[32]byte]*seen
	}
}

type seen struct {
	subject string
	scopes  []string
	expires time.Time
}

type floorKey struct{}

func (f *floor) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var room [1024]byte
		key := sha256.Sum256(append(room[:0], token...))
		sh := &f.shards[key[0]&15]
		sh.RLock()
		s := sh.seen[key]
		sh.RUnlock()
		if s == nil || !time.Now().Before(s.expires) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), floorKey{}, s)))
	})
}

func newFloor(token string) *floor {
	f := &floor{}
	for i := range f.shards {
		f.shards[i].seen = map[[32]byte]*seen{}
	}
	key := sha256.Sum256([]byte(token))
	f.shards[key[0]&15].seen[key] = &seen{"42", []string{"read", "write"}, time.Now().Add(time.Hour)}
	return f
}

func signers(tb testing.TB) map[string]*jose.Signer {
	tb.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	all := map[string]*jose.Signer{}
	for alg, key := range map[string]any{"HS256": secret, "RS256": rsaKey, "ES256": ecKey, "EdDSA": edKey} {
		s, err := jose.NewSigner(alg, "2026-11", key)
		if err != nil {
			tb.Fatal(err)
		}
		all[alg] = s
	}
	return all
}

func BenchmarkRequire(b *testing.B) {
	for alg, s := range signers(b) {
		token := mint(b, s, nil)
		nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		handlers := map[string]http.Handler{"floor": newFloor(token).handler(nothing)}
		for name, life := range map[string]time.Duration{"seen": time.Hour, "first sight": -1} {
			v, err := jwtauth.New(rules(s), &jwtauth.Options{Life: life})
			if err != nil {
				b.Fatal(err)
			}
			guard, err := middleware.New(v, middleware.Self, nil)
			if err != nil {
				b.Fatal(err)
			}
			handlers[name] = guard.Require("read")(nothing)
		}
		r, _ := http.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		report(b, alg, byTurns(handlers, r, 200, 200))
	}
}
