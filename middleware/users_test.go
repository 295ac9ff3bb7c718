package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
)

const userLife = time.Minute

// table is a user table that counts its readers and may fail.
type table struct {
	asked atomic.Int32
	mu    sync.Mutex
	err   error
	delay time.Duration
}

func (u *table) byRecord(ctx context.Context, rec *store.Record) (*guardtest.User, error) {
	u.asked.Add(1)
	u.mu.Lock()
	err, delay := u.err, u.delay
	u.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	if err != nil {
		return nil, err
	}
	return guardtest.Resolve(ctx, &store.Record{Subject: rec.Provider + rec.Subject})
}

func (u *table) set(err error, delay time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.err, u.delay = err, delay
}

func cached(t testing.TB, resolve func(context.Context, *store.Record) (*guardtest.User, error)) *middleware.UserCache[*guardtest.User] {
	t.Helper()
	users, err := middleware.CacheUsers(resolve, 1000, userLife)
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func TestUserCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &table{}
		users := cached(t, source.byRecord)
		look := func(provider, subject string, asked int32) {
			t.Helper()
			user, err := users.Resolve(t.Context(), &store.Record{Provider: provider, Subject: subject})
			if err != nil || user.ID != provider+subject {
				t.Errorf("user %v, %v", user, err)
			}
			if n := source.asked.Load(); n != asked {
				t.Errorf("asked %d times, want %d", n, asked)
			}
		}
		look("", "u1", 1)
		look("", "u1", 1)
		look("", "u2", 2)
		look("p", "u1", 3) // the same subject of another provider is somebody else
		look("pu", "1", 4)
		time.Sleep(userLife - 1)
		look("", "u1", 4)
		time.Sleep(1)
		look("", "u1", 5)
		users.Forget("", "u1")
		look("", "u1", 6)
		look("p", "u1", 7)
	})
}

// What may be remembered, and for how long.
func TestUserCacheOutcomes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, subject string
		err           error
		status        int
		life          time.Duration
	}{
		{"a user", "u1", nil, 200, userLife},
		{"no such user", "ghost-user", nil, 401, 5 * time.Second},
		{"forbidden", "disabled-user", nil, 403, 0},
		{"table down", "user-backend-down", nil, 503, 0},
		{"nil user", "nil-user", nil, 503, 0},
		{"no subject", "", nil, 200, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source := &table{}
				v := middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) {
					return &store.Record{Subject: tt.subject}, nil
				})
				guard, err := middleware.New(v, cached(t, source.byRecord).Resolve, quiet)
				if err != nil {
					t.Fatal(err)
				}
				look := func(asked int32) {
					t.Helper()
					if w := serve(guard.Require()(done), request("GET", "/", "x")); w.Code != tt.status || (w.Code == 503) != (w.Header().Get("Retry-After") != "") {
						t.Errorf("status %d, want %d; %v", w.Code, tt.status, w.Header())
					}
					if n := source.asked.Load(); n != asked {
						t.Errorf("asked %d times, want %d", n, asked)
					}
				}
				look(1)
				if tt.life == 0 {
					look(2)
					return
				}
				time.Sleep(tt.life - 1)
				look(1)
				time.Sleep(1)
				look(2)
			})
		})
	}
}

// An outage leaves nothing behind: the next call after it is good.
func TestUserCacheAfterAnOutage(t *testing.T) {
	t.Parallel()
	source := &table{}
	users := cached(t, source.byRecord)
	rec := &store.Record{Subject: "u1"}
	down := errors.New("users: connection refused")
	source.set(down, 0)
	if _, err := users.Resolve(t.Context(), rec); !errors.Is(err, down) {
		t.Errorf("during the outage: %v", err)
	}
	source.set(nil, 0)
	if user, err := users.Resolve(t.Context(), rec); err != nil || user.ID != "u1" {
		t.Errorf("after it: %v, %v", user, err)
	}
	source.set(down, 0)
	if user, err := users.Resolve(t.Context(), rec); err != nil || user.ID != "u1" {
		t.Errorf("in the next one: %v, %v", user, err)
	}
}

func TestUserCacheAsksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &table{}
		source.set(nil, time.Second)
		users := cached(t, source.byRecord)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if user, err := users.Resolve(t.Context(), &store.Record{Subject: "u1"}); err != nil || user.ID != "u1" {
					t.Errorf("%v, %v", user, err)
				}
			})
		}
		wg.Wait()
		if n := source.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// A user who is locked while a request is asking for him is not remembered as he was.
func TestForgetDuringALookup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &table{}
		source.set(nil, time.Second)
		users := cached(t, source.byRecord)
		rec := &store.Record{Subject: "u1"}
		go users.Resolve(t.Context(), rec)
		synctest.Wait()
		source.set(middleware.ErrForbidden, 0)
		users.Forget("", "u1")
		time.Sleep(2 * time.Second)
		if user, err := users.Resolve(t.Context(), rec); !errors.Is(err, middleware.ErrForbidden) {
			t.Errorf("%v, %v", user, err)
		}
	})
}

// A resolver that panics or blocks leaves no lock and no waiter, and the next request is served.
func TestUserCacheFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken, release := true, make(chan struct{})
		for name, fault := range map[string]func(){"panics": func() { panic("users: broken") }, "blocks": func() { <-release }} {
			broken = true
			users := cached(t, func(ctx context.Context, rec *store.Record) (*guardtest.User, error) {
				if broken {
					fault()
				}
				return guardtest.Resolve(ctx, rec)
			})
			guard, err := middleware.New(subjects, users.Resolve, quiet)
			if err != nil {
				t.Fatal(err)
			}
			h := guardtest.Recover(guard.Require()(done))
			want := map[string]int{"panics": 500, "blocks": 503}[name]
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if w := serve(h, request("GET", "/", "u1")); w.Code != want {
						t.Errorf("%s: status %d, want %d", name, w.Code, want)
					}
				})
			}
			ctx, leave := context.WithCancel(t.Context())
			wg.Go(func() { serve(h, request("GET", "/", "u1").WithContext(ctx)) })
			synctest.Wait()
			leave()
			wg.Wait()
			broken = false
			if w := serve(h, request("GET", "/", "u1")); w.Code != 200 {
				t.Errorf("%s: afterwards %d", name, w.Code)
			}
		}
		close(release)
	})
}

// There are never more users than max; who has not been seen for long is looked up again.
func TestUserCacheIsBounded(t *testing.T) {
	t.Parallel()
	source := &table{}
	users, err := middleware.CacheUsers(source.byRecord, 4, userLife)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		users.Resolve(t.Context(), &store.Record{Subject: fmt.Sprint("u", i)})
	}
	for _, i := range []int{19, 0} {
		users.Resolve(t.Context(), &store.Record{Subject: fmt.Sprint("u", i)})
	}
	if n := source.asked.Load(); n != 21 {
		t.Errorf("asked %d times, want 20 and once more for the first", n)
	}
}

func TestCacheUsersReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := middleware.CacheUsers[int](nil, 1, 0)
	for _, part := range []string{"resolver", "max is 1", "life is 0s"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not reported: %v", part, err)
		}
	}
}

// Nobody gets another one's user, with a small cache that evicts all the time and requests that are cancelled.
func TestNoMixUpsOfUsers(t *testing.T) {
	t.Parallel()
	users, err := middleware.CacheUsers(guardtest.Resolve, 100, userLife)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := middleware.New(subjects, users.Resolve, quiet)
	if err != nil {
		t.Fatal(err)
	}
	each64(t, 100_000, func(n int, ctx context.Context) {
		want := fmt.Sprint("u", n%300)
		checked, err := guard.Check(nil, bearing(ctx, want), "read")
		user, ok := guard.User(checked.Context())
		if ok != (err == nil) || ok && user.ID != want || !ok && ctx.Err() == nil {
			t.Errorf("wanted %s, got %v, %v", want, user, err)
		}
		if n%11 == 0 {
			users.Forget("", want)
		}
	})
}
