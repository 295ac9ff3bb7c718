package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
	"github.com/tokenkeep/tokenkeep/store"
)

// source counts how often keys are asked for, which is how often a signature is verified.
type source struct {
	keys       atomic.Pointer[jose.KeySet]
	asked      atomic.Int64
	fails      atomic.Bool
	generation atomic.Uint64
}

func newSource(keys ...jose.Key) *source {
	s := &source{}
	s.set(keys...)
	return s
}

func (s *source) set(keys ...jose.Key) { set := jose.KeySet(keys); s.keys.Store(&set) }

func (s *source) Generation() uint64 { return s.generation.Load() }

func (s *source) Keys(ctx context.Context, kid string) ([]jose.Key, error) {
	s.asked.Add(1)
	if s.fails.Load() {
		return nil, errors.New("down")
	}
	return s.keys.Load().Keys(ctx, kid)
}

// clock is a time that tests move.
type clock struct{ now atomic.Int64 }

func newClock() *clock { c := &clock{}; c.now.Store(time.Now().UnixNano()); return c }

func (c *clock) add(d time.Duration) { c.now.Add(int64(d)) }
func (c *clock) read() time.Time     { return time.Unix(0, c.now.Load()) }

type setup struct {
	*jwtauth.Verifier
	*source
	*clock
	signer *jose.Signer
}

func remember(t *testing.T, o *jwtauth.Options) *setup {
	t.Helper()
	s := newSigner(t, "a")
	src, c := newSource(s.Key()), newClock()
	v := rules(s)
	v.Keys, v.Now = src, c.read
	return &setup{newVerifier(t, v, o), src, c, s}
}

// verify fails the test unless the token is judged so, after n signatures were verified since the last call.
func (s *setup) verify(t *testing.T, token string, want error, n int64) {
	t.Helper()
	_, err := s.Verify(t.Context(), token)
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Fatalf("%v, want %v", err, want)
	}
	if got := s.asked.Swap(0); got != n {
		t.Fatalf("keys were asked for %d times, want %d", got, n)
	}
}

func TestRemembered(t *testing.T) {
	t.Parallel()
	s := remember(t, nil)
	token := mint(t, s.signer, nil)
	s.verify(t, token, nil, 1)
	s.verify(t, token, nil, 0)
	s.add(59 * time.Second)
	s.verify(t, token, nil, 0)
	s.add(time.Second)
	s.verify(t, token, nil, 1)
	s.verify(t, mint(t, s.signer, map[string]any{"sub": "43"}), nil, 1)
	s.Forget()
	s.verify(t, token, nil, 1)
	s.verify(t, token, nil, 0)
}

// All requests with a token read one record, at the same time, and a Clone is the caller's own.
func TestRecordIsShared(t *testing.T) {
	t.Parallel()
	s := remember(t, nil)
	token := mint(t, s.signer, nil)
	first, err := s.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%+v %s", first.Token.Scopes, first.Token.Extra)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			rec, err := s.Verify(t.Context(), token)
			if err != nil || rec != first {
				t.Errorf("%p, %v, want %p", rec, err, first)
				return
			}
			if got := fmt.Sprintf("%+v %s", rec.Token.Scopes, rec.Token.Extra); got != want || rec.Subject != "42" {
				t.Errorf("%s, want %s", got, want)
			}
			own := rec.Clone()
			own.Subject, own.Token.Scopes[0], own.Token.Extra[0] = "admin", "admin", 'x'
		})
	}
	wg.Wait()
	s.verify(t, token, nil, 1)
}

// Whatever is remembered, a token ends when it expires, and none is good before its time.
func TestRememberedAreFacts(t *testing.T) {
	t.Parallel()
	for _, early := range []int64{0, -10} { // nbf is later than iat, or earlier
		s := remember(t, &jwtauth.Options{Life: time.Hour})
		now := s.read().Unix()
		token := mint(t, s.signer, map[string]any{"exp": now + 10, "iat": now - 10 - early, "nbf": now + early})
		s.verify(t, token, nil, 1)
		s.add(69 * time.Second)
		s.verify(t, token, nil, 0)
		s.add(time.Second)
		s.verify(t, token, store.ErrNotFound, 0)
		s.add(-(70 + 60) * time.Second) // the clock was put back
		s.verify(t, token, nil, 0)
		s.add(-time.Second)
		s.verify(t, token, store.ErrNotFound, 0)
	}
}

// A key that is withdrawn takes with it what it signed, as soon as its source knows.
func TestRememberedUntilKeysChange(t *testing.T) {
	t.Parallel()
	s := remember(t, nil)
	token := mint(t, s.signer, nil)
	s.verify(t, token, nil, 1)
	s.set(newSigner(t, "b").Key())
	s.verify(t, token, nil, 0)
	s.generation.Add(1)
	s.verify(t, token, store.ErrNotFound, 1)
	s.verify(t, token, store.ErrNotFound, 1)
}

func TestNotRemembered(t *testing.T) {
	t.Parallel()
	t.Run("switched off", func(t *testing.T) {
		t.Parallel()
		s := remember(t, &jwtauth.Options{Life: -1})
		token := mint(t, s.signer, nil)
		s.verify(t, token, nil, 1)
		s.verify(t, token, nil, 1)
	})
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		s := remember(t, nil)
		token := mint(t, newSigner(t, "a"), nil)
		s.verify(t, token, store.ErrNotFound, 1)
		s.verify(t, token, store.ErrNotFound, 1)
	})
	t.Run("errors", func(t *testing.T) {
		t.Parallel()
		s := remember(t, nil)
		token := mint(t, s.signer, nil)
		s.fails.Store(true)
		_, err := s.Verify(t.Context(), token)
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, jose.ErrInvalid) {
			t.Fatalf("%v, want an error that is no refusal", err)
		}
		if got := status(t, s, token); got != 503 {
			t.Errorf("status %d, want 503", got)
		}
		s.fails.Store(false)
		s.asked.Store(0)
		s.verify(t, token, nil, 1)
		s.fails.Store(true)
		s.verify(t, token, nil, 0) // known tokens go on
	})
	t.Run("rubbish costs no key", func(t *testing.T) {
		t.Parallel()
		s := remember(t, nil)
		for _, token := range []string{"", "x", "..", strings.Repeat(".", 64<<10), mint(t, s.signer, map[string]any{"exp": 1})} {
			s.verify(t, token, store.ErrNotFound, 0)
		}
	})
	t.Run("long", func(t *testing.T) {
		t.Parallel()
		s := remember(t, nil)
		token := mint(t, s.signer, map[string]any{"x": strings.Repeat("x", 4000)})
		s.verify(t, token, nil, 1)
		s.verify(t, token, nil, 1)
	})
	t.Run("more than MaxTokens", func(t *testing.T) {
		t.Parallel()
		s := remember(t, &jwtauth.Options{MaxTokens: 10})
		first := mint(t, s.signer, nil)
		s.verify(t, first, nil, 1)
		for i := range 20 {
			s.verify(t, mint(t, s.signer, map[string]any{"sub": fmt.Sprint("s", i)}), nil, 1)
		}
		s.verify(t, first, nil, 1)
	})
	t.Run("by another verifier", func(t *testing.T) {
		t.Parallel()
		s := remember(t, nil)
		token := mint(t, s.signer, nil)
		s.verify(t, token, nil, 1)
		other := rules(s.signer)
		other.Audience = []string{"https://other.example"}
		if _, err := newVerifier(t, other, nil).Verify(t.Context(), token); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// A signature finds what it was made for, and nothing else: not with other claims, another header, or a part of either,
// however well the token is remembered that it is taken from.
func TestSignatureOfARememberedToken(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"short": 10, "kept": 900, "long": 2000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := remember(t, nil)
			token := mint(t, s.signer, map[string]any{"x": strings.Repeat("x", size)})
			admin := mint(t, s.signer, map[string]any{"x": strings.Repeat("x", size), "sub": "13"}) // as long as 42
			parts, others := strings.Split(token, "."), strings.Split(admin, ".")
			typed := strings.Split(mintTyped(t, s.signer, "JWT", nil), ".")
			s.verify(t, token, nil, 1)
			for _, forged := range []string{
				parts[0] + "." + others[1] + "." + parts[2],
				parts[0] + "." + parts[1][:4] + "." + parts[2],
				parts[0] + "." + parts[1] + "AAAA." + parts[2],
				typed[0] + "." + parts[1] + "." + parts[2],
				"." + parts[1] + "." + parts[2],
				parts[0] + ".." + parts[2],
				".." + parts[2],
			} {
				_, err := s.Verify(t.Context(), forged)
				if !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%.20s…: %v", forged, err)
				}
			}
			s.asked.Store(0)
			s.verify(t, token, nil, 0)
			s.verify(t, admin, nil, 1)
			s.verify(t, token, nil, 0)
		})
	}
}

// Keys that change while a token is being verified do not leave what the old ones said behind.
func TestKeysChangeMeanwhile(t *testing.T) {
	t.Parallel()
	s := remember(t, nil)
	token := mint(t, s.signer, nil)
	v := rules(s.signer)
	slow := &changing{source: s.source}
	v.Keys = slow
	w := newVerifier(t, v, nil)
	if _, err := w.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(t.Context(), token); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("%v: remembered by keys that are gone", err)
	}
}

// changing has other keys as soon as it has been asked.
type changing struct{ *source }

func (c *changing) Keys(ctx context.Context, kid string) ([]jose.Key, error) {
	keys, err := c.source.Keys(ctx, kid)
	c.set()
	c.generation.Add(1)
	return keys, err
}
