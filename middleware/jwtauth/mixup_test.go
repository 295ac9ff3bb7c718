package jwtauth_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
)

// Nobody ever receives another user's identity: 64 goroutines, contexts that end at any moment, a memory that is too
// small, and keys that change. TOKENKEEP_LOOKUPS says how many lookups in all.
func TestNeverMixesIdentities(t *testing.T) {
	t.Parallel()
	s, err := jose.NewSigner("HS256", "a", make([]byte, 32)) // cheap to verify: this is about what is remembered
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([]string, 300)
	for i := range tokens {
		tokens[i] = mint(t, s, map[string]any{"sub": fmt.Sprint("user ", i), "jti": fmt.Sprint(i)})
	}
	src := newSource(s.Key())
	v := rules(s)
	v.Keys = src
	w := newVerifier(t, v, &jwtauth.Options{MaxTokens: 256})
	lookups := 20_000
	if n, err := strconv.Atoi(os.Getenv("TOKENKEEP_LOOKUPS")); err == nil {
		lookups = n
	}
	var all sync.WaitGroup
	var good atomic.Int64
	for g := range 64 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			for range lookups / 64 {
				i := random.IntN(len(tokens))
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(50))*time.Microsecond)
				rec, err := w.Verify(ctx, tokens[i])
				cancel()
				if err != nil {
					continue
				}
				good.Add(1)
				if rec.Subject != fmt.Sprint("user ", i) || rec.ID != fmt.Sprint(i) {
					t.Errorf("token %d is %q", i, rec.Subject)
				}
				own := rec.Clone() // of which no other request sees anything
				own.Subject, own.Token.Scopes[0] = "somebody else", "admin"
				if random.IntN(5000) == 0 {
					src.generation.Add(1)
				}
			}
		})
	}
	all.Wait()
	if good.Load() == 0 {
		t.Error("no lookup succeeded")
	}
}
