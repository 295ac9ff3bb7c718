package middleware_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// Nothing wraps the ResponseWriter: whatever the server offers, the handler gets.
func TestPassThrough(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: one\n\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		<-release // the client has read the first event by now, or the test hangs
		fmt.Fprint(w, "data: two\n\n")
	})
	mux.HandleFunc("GET /socket", func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		if err := control.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("deadline: %v", err)
		}
		conn, rw, err := control.Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(rw, line)
		rw.Flush()
	})
	server := httptest.NewServer(guard.Require("read")(mux))
	defer server.Close()

	get := func(path string, header ...string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer u1")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	events := get("/events")
	defer events.Body.Close()
	if line, err := bufio.NewReader(events.Body).ReadString('\n'); line != "data: one\n" {
		t.Errorf("event %q, %v", line, err)
	}
	close(release)

	socket := get("/socket", "Connection", "Upgrade", "Upgrade", "echo")
	defer socket.Body.Close()
	rw, ok := socket.Body.(io.ReadWriter)
	if !ok || socket.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", socket.StatusCode)
	}
	fmt.Fprintln(rw, "hello")
	if line, err := bufio.NewReader(rw).ReadString('\n'); line != "hello\n" {
		t.Errorf("echo %q, %v", line, err)
	}
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

// What no verifier needs to see is refused before any work: no hash, no store, next to no memory.
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
