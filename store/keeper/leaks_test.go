package keeper_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// What must never be seen: each secret of these tests holds it, the handle's text apart.
const canary = "canary"

// vault is a provider whose every answer is full of secrets; how says what becomes of the answer.
type vault struct {
	mu           sync.Mutex
	n            int
	clientSecret string
	how          func(ctx context.Context, tok store.Token) (store.Token, error)
	revoke       func() error
}

func (v *vault) token() store.Token {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.n++
	secret := func(what string) string { return fmt.Sprintf("%s-%s-%d", canary, what, v.n) }
	return store.Token{
		AccessToken: secret("access"), RefreshToken: secret("refresh"), IDToken: secret("id"), TokenType: "Bearer",
		Extra: json.RawMessage(`{"device_secret":"` + secret("extra") + `"}`), Expiry: time.Now().Add(time.Minute),
	}
}

// Refresh implements keeper.Refresher.
func (v *vault) Refresh(ctx context.Context, _ *store.Record) (store.Token, error) {
	return v.how(ctx, v.token())
}

// Revoke implements keeper.Revoker.
func (v *vault) Revoke(context.Context, *store.Record) error { return v.revoke() }

var leakProviders = map[string]func(ctx context.Context, tok store.Token) (store.Token, error){
	"rotates": func(_ context.Context, tok store.Token) (store.Token, error) { return tok, nil },
	"refuses": func(context.Context, store.Token) (store.Token, error) {
		return store.Token{}, &fault{"invalid_grant", keeper.Dead}
	},
	"knows no client": func(context.Context, store.Token) (store.Token, error) {
		return store.Token{}, &fault{"invalid_client", keeper.ConfigError}
	},
	"is busy": func(context.Context, store.Token) (store.Token, error) {
		return store.Token{}, &fault{"503", keeper.RetryLater}
	},
	"resets": func(context.Context, store.Token) (store.Token, error) { return store.Token{}, errLost },
	"hangs": func(ctx context.Context, _ store.Token) (store.Token, error) {
		<-ctx.Done()
		return store.Token{}, ctx.Err()
	},
	"panics":          func(_ context.Context, tok store.Token) (store.Token, error) { panic(tok.RefreshToken) },
	"answers nothing": func(context.Context, store.Token) (store.Token, error) { return store.Token{}, nil },
	"answers half": func(_ context.Context, tok store.Token) (store.Token, error) {
		return tok, &fault{"not a bearer", keeper.ConfigError}
	},
}

// leakStores spoil one sort of call while on.
var leakStores = map[string]func(mem store.TokenStore, on *atomic.Bool) *tamper{
	"works": func(mem store.TokenStore, _ *atomic.Bool) *tamper { return &tamper{TokenStore: mem} },
	"takes no commit": func(mem store.TokenStore, on *atomic.Bool) *tamper {
		return &tamper{TokenStore: mem, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			if on.Load() && next.Generation > 0 {
				return nil, errDown
			}
			return do()
		}}
	},
	"takes nothing": func(mem store.TokenStore, on *atomic.Bool) *tamper {
		return &tamper{TokenStore: mem, put: func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			if on.Load() {
				return nil, errDown
			}
			return do()
		}}
	},
	"forgets its answers": func(mem store.TokenStore, on *atomic.Bool) *tamper {
		var calls atomic.Int64
		return &tamper{TokenStore: mem, put: func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			rec, err := do()
			if calls.Add(1)%2 == 1 && on.Load() {
				return nil, errDown
			}
			return rec, err
		}}
	},
	"is down": func(mem store.TokenStore, on *atomic.Bool) *tamper {
		return &tamper{TokenStore: mem, get: func(do func() (*store.Record, error)) (*store.Record, error) {
			if on.Load() {
				return nil, errDown
			}
			return do()
		}}
	},
}

// witness gathers whatever a keeper says.
type witness struct {
	mu   sync.Mutex
	text bytes.Buffer
	log  *slog.Logger
}

// Write implements io.Writer.
func (w *witness) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

// Observe implements keeper.Observer.
func (w *witness) Observe(e keeper.Event) {
	fmt.Fprintf(w, "%v %+v %#v\n", e, e, e)
	w.log.Debug("event", "event", e, "error", e.Err)
}

func (w *witness) hear(rec *store.Record, err error) {
	fmt.Fprintf(w, "%v %+v %#v %q %s\n", err, err, err, err, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		fmt.Fprintf(w, "%v %+v %#v\n", e, e, e)
	}
	text, _ := json.Marshal(err)
	w.Write(text)
	w.log.Debug("answer", "record", rec, "error", err)
}

// Through all modes, failures of the provider and failures of the store: no secret in a log line, an event or an error;
// and when Close has returned, no goroutine and no lease is left. It runs alone, so that a trace of all goroutines is short.
func TestNothingLeaks(t *testing.T) {
	for _, mode := range []keeper.Mode{keeper.Auto, keeper.Signal, keeper.Manual} {
		for provider, how := range leakProviders {
			for name, spoil := range leakStores {
				t.Run(fmt.Sprintf("mode %d, provider %s, store %s", mode, provider, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { leakless(t, mode, how, spoil) })
				})
			}
		}
	}
}

func leakless(t *testing.T, mode keeper.Mode, how func(context.Context, store.Token) (store.Token, error), spoil func(store.TokenStore, *atomic.Bool) *tamper) {
	mem, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w, v := &witness{}, &vault{clientSecret: canary + "-client-secret", how: how, revoke: func() error { panic(canary + " in revoke") }}
	w.log = slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	before := goroutines()
	var on atomic.Bool
	keep, err := keeper.New(spoil(mem, &on), v, &keeper.Options{
		Mode: mode, Observer: w, Logger: w.log,
		OnRefresh: func(_ context.Context, _, updated *store.Record) error { panic(updated.Token.AccessToken) },
		OnUnsaved: func(rec *store.Record) { panic(rec.Token.RefreshToken) },
		Transport: roundTrip(func(*http.Request) (*http.Response, error) { return answer(401, "WWW-Authenticate", "Bearer"), nil }),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	first := v.token()
	first.Expiry = time.Now().Add(time.Second)
	session, err := keep.Start(ctx, store.Handle{}, &store.Record{Subject: "u", Token: first})
	if err != nil {
		t.Fatal(err)
	}
	text := session.Handle.Reveal()
	keyed := chaosRecord("rt-" + canary)
	if _, err := keep.Start(ctx, chaosKey, keyed); err != nil {
		t.Fatal(err)
	}
	on.Store(true)
	for range 2 {
		time.Sleep(2 * time.Second)
		w.hear(keep.Get(ctx, session.Handle))
		w.hear(keep.Refresh(ctx, chaosKey))
		w.hear(keep.Verify(ctx, text))
		_, err := keep.Client(session.Handle, api).Get(api)
		w.hear(nil, err)
		w.hear(keep.Update(ctx, session.Handle, func(r *store.Record) error { r.Token.AccessToken = canary; return nil }))
	}
	w.hear(keep.Start(ctx, chaosKey, keyed))
	w.hear(nil, keep.EndSessions(ctx, "u"))
	on.Store(false) // so that there is something to be drained, and can be
	w.hear(nil, keep.End(ctx, chaosKey))
	_, err = keep.Sweep(ctx, 10)
	w.hear(nil, err)
	if err := keep.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	synctest.Wait()
	if n := goroutines() - before; n != 0 {
		t.Errorf("%d goroutines left", n)
	}
	for _, h := range []store.Handle{session.Handle, chaosKey} {
		if row, _ := mem.Get(background, h); row != nil && bytes.Contains(row.Refresh, []byte(`"o":`)) {
			t.Errorf("a lease is left: %s", row.Refresh[9:])
		}
	}
	fmt.Fprintf(w, "%v %+v %v\n", keep, keep, keep.Client(session.Handle, api).Transport)
	said := w.text.String()
	for _, secret := range []string{canary, text} {
		if i := strings.Index(said, secret); i >= 0 {
			t.Errorf("%q is seen: …%s…", secret, said[max(0, i-200):min(len(said), i+50)])
		}
	}
	if strings.Count(said, "keeper: ") < 10 || strings.Count(said, "\"level\":\"DEBUG\"") < 10 {
		t.Errorf("hardly anything was said, the test is blunt: %s", said)
	}
}

var bubbleOf = regexp.MustCompile(`synctest bubble \d+\]`)

// goroutines counts those of this bubble.
func goroutines() int {
	b := make([]byte, 1<<20)
	if b = b[:runtime.Stack(b, true)]; len(b) == cap(b) {
		panic("the trace of all goroutines is cut off")
	}
	return bytes.Count(b, bubbleOf.Find(b))
}
