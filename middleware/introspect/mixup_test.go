package introspect_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware/introspect"
)

// Nobody gets what was said of another token, asked each time or kept in a cache that evicts all the time, with contexts
// that end before and meanwhile. TOKENKEEP_LOOKUPS is how many questions there are at most, 100,000 for a full run.
func TestNoMixUps(t *testing.T) {
	t.Parallel()
	lookups, err := strconv.Atoi(os.Getenv("TOKENKEEP_LOOKUPS"))
	if err != nil {
		lookups = 4000
	}
	lookups = min(lookups, 100_000)
	for name, o := range map[string]*introspect.Options{"asked each time": {Life: -1}, "kept": {MaxTokens: 100}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const tokens = 300
			s := newServer()
			for i := range tokens {
				s.set(fmt.Sprint("token-", i), fmt.Sprintf(`{"active":true,"sub":"%d"}`, i))
			}
			v := newVerifier(t, s, o)
			var wg sync.WaitGroup
			for g := range 64 {
				wg.Go(func() {
					for n := g; n < lookups; n += 64 {
						ctx, cancel := context.WithCancel(t.Context())
						switch n / 64 % 4 {
						case 0:
							cancel()
						case 1:
							go cancel()
						}
						want := fmt.Sprint(n % tokens)
						rec, err := v.Verify(ctx, "token-"+want)
						if err == nil && rec.Subject != want || err != nil && ctx.Err() == nil {
							t.Errorf("wanted %s, got %v, %v", want, rec, err)
						}
						if n%11 == 0 {
							v.Forget("token-" + want)
						}
						cancel()
					}
				})
			}
			wg.Wait()
		})
	}
}
