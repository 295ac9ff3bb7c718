package middleware_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
)

func TestPassThrough(t *testing.T) {
	t.Parallel()
	guardtest.PassThrough(t, func(c *guardtest.Case, guard *guardtest.Guard, next http.HandlerFunc) http.Handler {
		return guard.Require()(guard.Require(c.Config.Scopes...)(next))
	})
}

func TestForm(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, &middleware.Options{FormToken: true})
	const kind = "application/x-www-form-urlencoded"
	tests := []struct {
		name, method, kind, body, header string
		status                           int
	}{
		{"in the body", "POST", kind, "access_token=u1&x=1", "", 200},
		{"PUT", "PUT", kind, "x=1&access_token=u1", "", 200},
		{"GET has no body", "GET", kind, "access_token=u1", "", 401},
		{"header and body", "POST", kind, "access_token=u1", "u1", 400},
		{"twice", "POST", kind, "access_token=u1&access_token=u1", "", 400},
		{"header only", "POST", kind, "x=1", "u1", 200},
		{"JSON", "POST", "application/json", `{"access_token":"u1"}`, "", 401},
		{"malformed token", "POST", kind, "access_token=a%2Cb", "", 401},
		{"empty token", "POST", kind, "access_token=", "", 401},
		{"unreadable", "POST", kind, "access_token=%zz", "", 400},
		{"large", "POST", kind, "access_token=u1&x=" + strings.Repeat("a", 1<<20-18), "", 200},
		{"at the first room", "POST", kind, "access_token=u1&x=" + strings.Repeat("a", 4<<10-18), "", 200},
		{"in the second room", "POST", kind, "access_token=u1&x=" + strings.Repeat("a", 5<<10), "", 200},
		{"multipart", "POST", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\nu1\r\n--x--\r\n", "", 401},
		{"another media type", "POST", "text/plain", "access_token=u1", "", 401},
		{"with a charset", "POST", kind + "; charset=utf-8", "access_token=u1", "", 200},
		{"one byte too large", "POST", kind, "access_token=u1&x=" + strings.Repeat("a", 1<<20-17), "", 400},
		{"too large", "POST", kind, "access_token=u1&x=" + strings.Repeat("a", 10<<20), "", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			if tt.header != "" {
				r.Header.Set("Authorization", "Bearer "+tt.header)
			}
			w := serve(guard.Require()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); string(body) != tt.body {
					t.Errorf("the handler reads %q, %v", body, err)
				}
			})), r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
		})
	}
}

// A body that breaks off is refused, not taken for what arrived.
func TestFormCutOff(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, &middleware.Options{FormToken: true})
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("access_token=u1"), iotest.ErrReader(errors.New("reset"))))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w := serve(guard.Require()(done), r); w.Code != 400 {
		t.Errorf("status %d", w.Code)
	}
	r = httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Body = nil // as a handler's test may have it
	if w := serve(guard.Require()(done), r); w.Code != 401 {
		t.Errorf("no body: status %d", w.Code)
	}
}

// A body that is too large is given up at the limit, whether it announces its length or not.
func TestFormMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	guard := newGuard(t, subjects, &middleware.Options{FormToken: true})
	h, body := guard.Require()(done), strings.Repeat("a", 10<<20)
	for name, length := range map[string]int64{"announced": 10 << 20, "not announced": -1} {
		from := strings.NewReader(body)
		r := httptest.NewRequest("POST", "/", from)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.ContentLength = length
		w := httptest.NewRecorder()
		if n := allocated(func() { h.ServeHTTP(w, r) }); n > 2<<20 || w.Code != 400 {
			t.Errorf("%s: status %d, %d bytes allocated", name, w.Code, n)
		}
		if read := len(body) - from.Len(); read > 1<<20+1 || length > 0 && read > 0 {
			t.Errorf("%s: %d bytes read", name, read)
		}
	}
}

// allocated is how many bytes fn takes from the heap, given back or not. Tests that call it are not parallel.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestQuery(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, &middleware.Options{InsecureQueryToken: true, FormToken: true})
	for target, want := range map[string]int{
		"/?access_token=u1": 200, "/?x=access_token": 401, "/?access_token=u1&access_token=u1": 400, "/?access_token=unknown": 401,
	} {
		w := serve(guard.Require()(done), request("GET", target, ""))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
		if private := w.Header().Get("Cache-Control") == "private"; private != (want == 200) {
			t.Errorf("%s: Cache-Control %q", target, w.Header().Get("Cache-Control"))
		}
	}
}

// What no verifier needs to see is refused before any work: no hash, no store.
func TestTokenLimit(t *testing.T) {
	t.Parallel()
	var asked int
	guard := newGuard(t, middleware.VerifierFunc(func(ctx context.Context, credential string) (*store.Record, error) {
		asked++
		return subjects(ctx, credential)
	}), &middleware.Options{TokenLimit: 100})
	for n, want := range map[int]int{100: 200, 101: 401, 64 << 10: 401} {
		asked = 0
		w := serve(guard.Require()(done), request("GET", "/", strings.Repeat("a", n)))
		if w.Code != want || (asked == 1) != (want == 200) {
			t.Errorf("%d bytes: status %d, verifier asked %d times", n, w.Code, asked)
		}
	}
}

// A token of 64 KiB costs next to no memory and no time, wherever it travels and whatever it is made of.
func TestLongTokensAreCheap(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	untouched := middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) {
		t.Error("a verifier saw it")
		return nil, store.ErrNotFound
	})
	guard := newGuard(t, middleware.ByForm(untouched, untouched), &middleware.Options{InsecureQueryToken: true})
	h := guard.Require()(done)
	for _, piece := range []string{".", "a", "=", "eyJhbGciOiJub25lIn0.", "\xff"} {
		for name, r := range map[string]*http.Request{
			"header": request("GET", "/", strings.Repeat(piece, 64<<10/len(piece))),
			"query":  request("GET", "/?access_token="+url.QueryEscape(strings.Repeat(piece, 64<<10/len(piece))), ""),
		} {
			w := discard{http.Header{}}
			limit := uint64(64 << 10)
			if name == "query" {
				limit *= 4 // net/url's copies
			}
			if n := allocated(func() { h.ServeHTTP(w, r) }); n >= limit {
				t.Errorf("%q, %s: %d bytes allocated", piece, name, n)
			}
			best := time.Hour
			for range 20 { // the machine may be busy; once is enough to show
				began := time.Now()
				h.ServeHTTP(w, r)
				best = min(best, time.Since(began))
			}
			if name == "header" && best > time.Millisecond {
				t.Errorf("%q, %s: took %v", piece, name, best)
			}
		}
	}
}
