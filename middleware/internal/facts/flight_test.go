package facts_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware/internal/facts"
)

const patience = 10 * time.Second

func answer(v string) func(context.Context) (string, time.Time, error) {
	return func(context.Context) (string, time.Time, error) { return v, time.Now().Add(time.Minute), nil }
}

func TestFindAsksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := facts.New[string](100)
		var asked atomic.Int32
		slow := func(ctx context.Context) (string, time.Time, error) {
			asked.Add(1)
			time.Sleep(time.Second)
			return answer("one")(ctx)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if v, err := c.Find(t.Context(), key(1), patience, slow); v != "one" || err != nil {
					t.Errorf("%q, %v", v, err)
				}
			})
		}
		wg.Wait()
		c.Find(t.Context(), key(1), patience, slow)
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(time.Minute)
		c.Find(t.Context(), key(1), patience, slow)
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times after the answer's time", n)
		}
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	t.Parallel()
	c := facts.New[string](100)
	down := errors.New("down")
	for range 3 {
		_, err := c.Find(t.Context(), key(1), patience, func(context.Context) (string, time.Time, error) {
			return "half", time.Now().Add(time.Hour), down
		})
		if !errors.Is(err, down) {
			t.Fatal(err)
		}
	}
	if v, err := c.Find(t.Context(), key(1), patience, answer("one")); v != "one" || err != nil {
		t.Errorf("afterwards: %q, %v", v, err)
	}
}

func TestAnswersForNoTimeAreNotKept(t *testing.T) {
	t.Parallel()
	c := facts.New[string](100)
	for _, want := range []string{"one", "two"} {
		got, err := c.Find(t.Context(), key(1), patience, func(context.Context) (string, time.Time, error) { return want, time.Time{}, nil })
		if got != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if n := c.Len(); n != 0 {
		t.Errorf("%d are held", n)
	}
}

// Whoever asked first may leave; the answer comes for the others, with its context's values.
func TestTheFirstMayLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := facts.New[string](100)
		type trace struct{}
		ctx, leave := context.WithCancel(context.WithValue(t.Context(), trace{}, "7"))
		var first, second string
		var firstErr, secondErr error
		go func() {
			first, firstErr = c.Find(ctx, key(1), patience, func(ctx context.Context) (string, time.Time, error) {
				time.Sleep(time.Second)
				return fmt.Sprint("one ", ctx.Value(trace{}), " ", ctx.Err()), time.Now().Add(time.Minute), nil
			})
		}()
		synctest.Wait()
		go func() { second, secondErr = c.Find(t.Context(), key(1), patience, nil) }()
		synctest.Wait()
		leave()
		synctest.Wait()
		if first != "" || !errors.Is(firstErr, context.Canceled) {
			t.Errorf("who left: %q, %v", first, firstErr)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if second != "one 7 <nil>" || secondErr != nil {
			t.Errorf("who stayed: %q, %v", second, secondErr)
		}
	})
}

func TestWhoHasLeftAsksNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := facts.New[string](100)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		asked := false
		_, err := c.Find(ctx, key(1), patience, func(ctx context.Context) (string, time.Time, error) {
			asked = true
			return answer("one")(ctx)
		})
		synctest.Wait()
		if !errors.Is(err, context.Canceled) || asked {
			t.Errorf("%v, asked: %v", err, asked)
		}
	})
}

// A question that never ends keeps its askers no longer than patience, and nobody after them.
func TestBlocking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := facts.New[string](100)
		release := make(chan struct{})
		block := func(context.Context) (string, time.Time, error) {
			<-release
			return answer("late")(nil)
		}
		began := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := c.Find(t.Context(), key(1), patience, block); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != patience {
			t.Errorf("waited for %v", took)
		}
		if v, err := c.Find(t.Context(), key(1), patience, answer("one")); v != "one" || err != nil {
			t.Errorf("afterwards: %q, %v", v, err)
		}
		close(release)
		synctest.Wait()
		if v, _ := c.Get(key(1), time.Now()); v != "one" {
			t.Errorf("the late answer took the place of a newer one: %q", v)
		}
	})
}

// A panic reaches all who wait, and leaves nothing behind.
func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, value := range []any{"users: broken", http.ErrAbortHandler} {
			c := facts.New[string](100)
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					defer func() {
						r := recover()
						if value == any(http.ErrAbortHandler) && r != value {
							t.Errorf("net/http would not know %v", r)
						}
						if text := fmt.Sprint(r); !strings.HasPrefix(text, fmt.Sprint(value)) {
							t.Errorf("panic %.100q", text)
						} else if value == "users: broken" && !strings.Contains(text, "flight_test.go") {
							t.Errorf("nobody can see where it comes from: %s", text)
						}
					}()
					c.Find(t.Context(), key(1), patience, func(context.Context) (string, time.Time, error) {
						time.Sleep(time.Second)
						panic(value)
					})
					t.Error("no panic")
				})
			}
			wg.Wait()
			if v, err := c.Find(t.Context(), key(1), patience, answer("one")); v != "one" || err != nil {
				t.Errorf("afterwards: %q, %v", v, err)
			}
		}
	})
}

func TestGoexit(t *testing.T) {
	t.Parallel()
	c := facts.New[string](100)
	_, err := c.Find(t.Context(), key(1), patience, func(context.Context) (string, time.Time, error) {
		runtime.Goexit()
		return "", time.Time{}, nil
	})
	if err == nil {
		t.Error("an answer that nobody gave")
	}
	if v, err := c.Find(t.Context(), key(1), patience, answer("one")); v != "one" || err != nil {
		t.Errorf("afterwards: %q, %v", v, err)
	}
}

// What was asked before something changed is not kept after, and those who come after it ask anew.
func TestForgetDuringAQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := facts.New[string](100)
		go c.Find(t.Context(), key(1), patience, func(ctx context.Context) (string, time.Time, error) {
			time.Sleep(time.Second)
			return answer("before")(ctx)
		})
		synctest.Wait()
		c.Forget(key(1))
		if v, err := c.Find(t.Context(), key(1), patience, answer("after")); v != "after" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if v, _ := c.Get(key(1), time.Now()); v != "after" {
			t.Errorf("kept %q", v)
		}
	})
}

// Nobody gets what is kept under another key, with evictions, forgetting and contexts that end on the way.
func TestNoMixUps(t *testing.T) {
	t.Parallel()
	c := facts.New[int](64)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 500 {
				n := (g*31 + i*7) % 200
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					cancel()
				}
				v, err := c.Find(ctx, key(n), patience, func(context.Context) (int, time.Time, error) {
					return n, time.Now().Add(time.Hour), nil
				})
				if err == nil && v != n || err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("under %d: %d, %v", n, v, err)
				}
				if i%11 == 0 {
					c.Forget(key(n))
				}
				cancel()
			}
		})
	}
	wg.Wait()
}
