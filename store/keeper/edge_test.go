package keeper_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// NeverResend: a refresh token of unknown fate is not sent again while the access token is valid, by this process or any
// other, and is once it has expired.
func TestNeverResend(t *testing.T) {
	faultTest(t, []kind{p1d}, func(b *bench) {
		never := &keeper.Options{NeverResend: true}
		k := b.process(never)
		b.get(k)
		b.next(failAfter(errLost))
		for range 3 {
			for _, k := range []*keeper.Keeper{k, b.process(never)} {
				if _, err := k.Refresh(background, chaosKey); !errors.Is(err, keeper.ErrUnavailable) {
					b.t.Errorf("Refresh: %v", err)
				}
				b.get(k)
			}
			time.Sleep(10 * time.Minute)
		}
		b.wantCalls(2)
		time.Sleep(29*time.Minute + 59*time.Second)
		b.get(k)
		b.wantCalls(2)
		time.Sleep(2 * time.Second)
		b.get(k)
		b.wantCalls(3)
	})
}

// Inside the window of Signal mode a provider that fails costs nobody a token that is still valid.
func TestWindowServesTheOldToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, &keeper.Options{Mode: keeper.Signal, Window: time.Minute})
		w.p.answer = func(int, *store.Record) (store.Token, error) { return store.Token{}, outcomeError{keeper.RetryLater} }
		rec := w.start(time.Hour)
		time.Sleep(time.Hour - 30*time.Second)
		if got := w.get(rec.Handle); got.Token.AccessToken != "access-0" {
			t.Errorf("got %v", got)
		}
		time.Sleep(time.Minute)
		if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
			t.Errorf("expired: %v", err)
		}
	})
}

// later asks for a while.
type later struct{ time.Duration }

func (later) Error() string               { return "come back later" }
func (later) Outcome() keeper.Outcome     { return keeper.RetryLater }
func (e later) RetryAfter() time.Duration { return e.Duration }

// The provider says when to come back; more than an hour is an hour.
func TestRetryAfter(t *testing.T) {
	for asked, kept := range map[time.Duration]time.Duration{10 * time.Minute: 10 * time.Minute, 1000 * time.Hour: time.Hour} {
		t.Run(asked.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.p.answer = func(int, *store.Record) (store.Token, error) { return store.Token{}, later{asked} }
				rec := w.start(time.Second)
				time.Sleep(2 * time.Second)
				began := time.Now()
				for time.Since(began) < kept {
					if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
				}
				w.wantCalls(1)
				time.Sleep(time.Minute)
				w.keep.Get(t.Context(), rec.Handle)
				w.wantCalls(2)
			})
		})
	}
}

// Update goes round for conflicts, until its caller leaves, and tells what the store says.
func TestUpdateErrors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Hour)
		nothing := func(*store.Record) error { return nil }
		if _, err := w.keep.Update(t.Context(), store.Key("nobody"), nothing); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("absent: %v", err)
		}
		if _, err := w.keep.Update(t.Context(), rec.Handle, func(*store.Record) error { return io.EOF }); err != io.EOF {
			t.Errorf("fn's own error: %v", err)
		}
		times := 0
		busy := &tamper{TokenStore: w.tokens, put: func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			if times++; times%3 != 0 {
				return nil, store.ErrConflict
			}
			return do()
		}}
		keep := w.newKeeper(busy, nil)
		if _, err := keep.Update(t.Context(), rec.Handle, nothing); err != nil || times != 3 {
			t.Errorf("conflicts: %v after %d", err, times)
		}
		ctx, cancel := context.WithCancel(t.Context())
		busy.put = func(*store.Record, func() (*store.Record, error)) (*store.Record, error) {
			cancel()
			return nil, store.ErrConflict
		}
		if _, err := keep.Update(ctx, rec.Handle, nothing); !errors.Is(err, context.Canceled) {
			t.Errorf("left: %v", err)
		}
		if err := keep.End(ctx, rec.Handle); !errors.Is(err, context.Canceled) {
			t.Errorf("End, left: %v", err)
		}
	})
}

// A login whose answer was lost is found by its own handle; an ended record begins nothing.
func TestStartOfUnknownOutcome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		lost := true
		keep := w.newKeeper(&tamper{TokenStore: w.tokens, put: func(_ *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			rec, err := do()
			if lost {
				lost = false
				return nil, errDown
			}
			return rec, err
		}}, nil)
		rec, err := keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Token: firstToken(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.get(rec.Handle); got.ID != rec.ID {
			t.Errorf("got %v, want %v", got, rec)
		}
		if _, err := keep.Start(t.Context(), rec.Handle, rec); !errors.Is(err, store.ErrExists) {
			t.Errorf("over a live session: %v", err)
		}
		rec.Ended = time.Now()
		if _, err := keep.Start(t.Context(), store.Handle{}, rec); err == nil || !contains(err.Error(), "has ended") {
			t.Errorf("an ended record: %v", err)
		}
		if _, err := w.newKeeper(down{w.tokens}, nil).Start(t.Context(), store.Key("k"), &store.Record{}); !errors.Is(err, keeper.ErrUnavailable) {
			t.Errorf("store down: %v", err)
		}
	})
}

// The store says that the record has changed, then that there is none: only a second Put's word, or a second look, makes
// that true, and what the answer brought is revoked.
func TestCommitMeetsAnAbsentRecord(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		odd := &tamper{TokenStore: w.tokens}
		odd.put = func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			if next.Generation == 0 {
				return do()
			}
			odd.get = func(func() (*store.Record, error)) (*store.Record, error) { return nil, store.ErrNotFound }
			return nil, store.ErrConflict
		}
		began := time.Now()
		if _, err := w.newKeeper(odd, nil).Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) || time.Since(began) > time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if len(w.p.revoked) != 1 || w.p.revoked[0] != "refresh-1" {
			t.Errorf("revoked %q", w.p.revoked)
		}
	})
}

// A refusal cannot be recorded: nobody is signed out, and nobody waits longer than CommitBudget.
func TestRefusalThatCannotBeRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, nil)
		rec := w.start(time.Second)
		w.p.live = "another"
		time.Sleep(2 * time.Second)
		broken := false
		keep := w.newKeeper(&tamper{TokenStore: w.tokens, put: func(next *store.Record, do func() (*store.Record, error)) (*store.Record, error) {
			if broken {
				return nil, errDown
			}
			broken = true
			return do()
		}}, nil)
		began := time.Now()
		if _, err := keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// Requests at their edges: no header map, a body that cannot be had again, one that is closed when nothing is sent.
func TestClientEdges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		wire := &wire{answers: map[string]func(*http.Request) *http.Response{api: refuseToken("access-0", 401, "Bearer")}}
		w := newWorld(t, &keeper.Options{Transport: wire})
		rec := w.start(time.Hour)
		req, _ := http.NewRequest("POST", api, strings.NewReader("x"))
		req.Header, req.GetBody = nil, func() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }
		resp, err := w.keep.Client(rec.Handle, api).Transport.RoundTrip(req)
		if err != nil || resp.StatusCode != 401 || len(wire.sent) != 1 {
			t.Errorf("got %v, %v, sent %q", resp, err, wire.sent)
		}
		body := &closing{Reader: strings.NewReader("x")}
		req, _ = http.NewRequest("POST", api, body)
		if _, err := w.keep.Client(store.Key("nobody"), api).Do(req); err == nil || !body.closed {
			t.Errorf("refused: %v, body closed %t", err, body.closed)
		}
	})
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// Signal mode with cookies: the error carries the record under its new handle, once.
func TestCookieSignal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		w.keep = w.newKeeper(w.tokens, &keeper.Options{Mode: keeper.Signal})
		rec := w.start(time.Second)
		time.Sleep(2 * time.Second)
		_, err := w.keep.Get(t.Context(), rec.Handle)
		var updated *keeper.UpdatedError
		if !errors.As(err, &updated) || updated.Record.Handle == rec.Handle || updated.Record.Token.AccessToken != "access-1" {
			t.Fatalf("got %v", err)
		}
		if got := w.get(updated.Record.Handle); got.Handle != updated.Record.Handle {
			t.Error("the new cookie is rewritten again")
		}
		if got := w.get(rec.Handle); got.Generation != 1 { // the old one, once more: nothing is refreshed, so nothing is signalled
			t.Errorf("the old cookie got %v", got)
		}
		w.wantCalls(1)
	})
}

// A cookie cannot share a grant; a name given to Bind reaches the store, and stores without that power take any.
func TestCookieStoreLimits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := cookieWorld(t, newRing(t), cookiestore.SingleReplica())
		if err := w.keep.Bind("__Host-session"); err != nil {
			t.Error(err)
		}
		if err := newWorld(t, nil).keep.Bind("x"); err != nil {
			t.Error(err)
		}
		rec, err := w.keep.Start(t.Context(), store.Handle{}, &store.Record{Subject: "alice", Grant: store.Key("g")})
		if err == nil {
			_, err = w.keep.Get(t.Context(), rec.Handle)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a cookie that shares a grant: %v", err)
		}
	})
}

// uncoordinated is a stateless store that has not thought of it.
type uncoordinated struct {
	store.TokenStore
	coordinator store.TokenStore
}

func (u uncoordinated) Coordinator() store.TokenStore { return u.coordinator }

func TestStatelessStoreNeedsACoordinator(t *testing.T) {
	t.Parallel()
	mem, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []store.TokenStore{nil, uncoordinated{mem, mem}} {
		if _, err := keeper.New(uncoordinated{mem, c}, nil, nil); err == nil || !contains(err.Error(), "coordinator") {
			t.Errorf("got %v", err)
		}
	}
}

// The coordinator is down: a cookie whose token is due is not refreshed, and a logout is not claimed.
func TestCoordinatorDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		shared, err := memstore.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, broken := range map[string]store.TokenStore{"reads": down{shared}, "writes": putDown{shared}} {
			w := cookieWorld(t, newRing(t), cookiestore.Coordinator(broken))
			rec := w.start(time.Second)
			time.Sleep(2 * time.Second)
			if _, err := w.keep.Get(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
				t.Errorf("%s: Get: %v", name, err)
			}
			if err := w.keep.End(t.Context(), rec.Handle); !errors.Is(err, keeper.ErrUnavailable) {
				t.Errorf("%s: End: %v", name, err)
			}
			if err := w.keep.End(t.Context(), store.Credential("session", "no cookie")); err != nil {
				t.Errorf("%s: End of nothing: %v", name, err)
			}
			w.wantCalls(0)
		}
	})
}

// The coordinator went back to before the last refresh: the cookie, which is newer, counts, and its logout revokes what
// it holds.
func TestF20CoordinatorOlderThanTheCookie(t *testing.T) {
	faultTest(t, []kind{p2}, func(b *bench) {
		l := newLedger()
		jar, err := cookiestore.New(newRing(b.t), cookiestore.Coordinator(l))
		if err != nil {
			b.t.Fatal(err)
		}
		k := b.over(jar, nil)
		rec, err := k.Start(background, store.Handle{}, &store.Record{Subject: "u", Provider: "p", Expires: time.Now().Add(24 * time.Hour), Token: chaosRecord(b.login()).Token})
		if err != nil {
			b.t.Fatal(err)
		}
		refresh := func() {
			b.t.Helper()
			if rec, err = k.Get(background, rec.Handle); err != nil || !b.usable(rec.Token.RefreshToken) {
				b.t.Fatalf("Get: %v, %v", rec, err)
			}
		}
		refresh()
		before := l.copied()
		time.Sleep(2 * time.Hour)
		refresh()
		l.goBack(before)
		time.Sleep(2 * time.Hour)
		refresh()
		if rec.Generation != 3 {
			b.t.Errorf("got %v", rec)
		}
		l.goBack(before)
		if err := k.End(background, rec.Handle); err != nil {
			b.t.Fatal(err)
		}
		synctest.Wait()
		if live := b.live(1); len(live) > 0 {
			b.t.Errorf("alive after logout: %v", live)
		}
		if _, err := k.Get(background, rec.Handle); !errors.Is(err, store.ErrNotFound) {
			b.t.Errorf("after logout: %v", err)
		}
	})
}

// A reader that keeps meeting refreshes that ended before it read goes away with an error, not in circles.
func TestManyKeepersOneGrant(t *testing.T) {
	faultTest(t, []kind{p0}, func(b *bench) {
		var all sync.WaitGroup
		for range 6 {
			k := b.process(nil)
			all.Go(func() {
				for range 20 {
					if _, err := k.Refresh(background, chaosKey); err != nil && !errors.Is(err, keeper.ErrUnavailable) {
						b.t.Errorf("Refresh: %v", err)
					}
				}
			})
		}
		all.Wait()
		if b.most > 1 {
			b.t.Errorf("%d at once", b.most)
		}
	})
}
