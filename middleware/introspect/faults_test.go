package introspect_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/introspect"
	"github.com/tokenkeep/tokenkeep/store"
)

// Where nobody can say, the client is told to come back, and the operator why; neither gets to see a token.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		answer string
		after  string // Retry-After of the server
		retry  string // of ours
		log    string
	}{
		{"down", 0, "", "", "2", "connection refused"},
		{"failing", 500, "alice-token", "", "2", "status 500"},
		{"busy", 503, "", "7", "7", "status 503"},
		{"our credentials refused", 401, `{"error":"invalid_client"}`, "", "2", "invalid_client"},
		{"we may not ask", 403, "", "", "2", "status 403"},
		{"not JSON", 200, "<html>alice-token", "", "2", "JSON"},
		{"a redirect", 302, "", "", "2", "redirect"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer()
			s.status = tt.status
			s.set("alice-token", tt.answer)
			if tt.after != "" {
				s.header.Set("Retry-After", tt.after)
			}
			var logs bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
			guard, err := middleware.New(newVerifier(t, s, nil), middleware.Self, &middleware.Options{Logger: logger})
			if err != nil {
				t.Fatal(err)
			}
			w := call(guard, "read", "alice-token")
			if w.Code != 503 || w.Header().Get("Retry-After") != tt.retry || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			if !strings.Contains(logs.String(), tt.log) {
				t.Errorf("the log does not say %q: %s", tt.log, &logs)
			}
			for _, secret := range []string{"alice-token", "client-secret"} {
				if strings.Contains(logs.String()+w.Body.String(), secret) {
					t.Errorf("%s shows: %s %s", secret, &logs, w.Body)
				}
			}
		})
	}
}

// A hundred requests with one token are one question, and its first asker may leave.
func TestOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.delay = time.Second
		v := newVerifier(t, s, nil)
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := v.Verify(ctx, "alice-token"); !errors.Is(err, context.Canceled) {
				t.Errorf("who left: %v", err)
			}
		})
		synctest.Wait()
		for range 100 {
			wg.Go(func() {
				if rec, err := v.Verify(t.Context(), "alice-token"); err != nil || rec.Subject != "alice" {
					t.Errorf("%v, %v", rec, err)
				}
			})
		}
		leave()
		wg.Wait()
		if n := s.times(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Without Life nobody is content with an answer that another one asked for.
func TestEachItsOwnQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.delay = time.Second
		v := newVerifier(t, s, &introspect.Options{Life: -1})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { v.Verify(t.Context(), "alice-token") })
		}
		wg.Wait()
		if n := s.times(); n != 10 {
			t.Errorf("asked %d times", n)
		}
	})
}

// A server that never answers keeps nobody longer than the client's timeout.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.delay = time.Hour
		v := newVerifier(t, s, nil)
		began := time.Now()
		if _, err := v.Verify(t.Context(), "t"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
