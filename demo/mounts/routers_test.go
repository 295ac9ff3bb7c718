package mounts_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
)

// routers mounts h at /h behind two nested guards, in each router.
func routers(h http.HandlerFunc) map[string]http.Handler {
	guard := newGuard()
	mux := http.NewServeMux()
	mux.Handle("/h", guard.Require("write")(h))
	c := chi.NewRouter()
	c.Use(guard.Require("read"))
	c.With(guard.Require("write")).Handle("/h", h)
	e := echo.New()
	e.Use(echo.WrapMiddleware(guard.Require("read")))
	e.Any("/h", echo.WrapHandler(h), echo.WrapMiddleware(guard.Require("write")))
	return map[string]http.Handler{"mux": guard.Require("read")(mux), "chi": c, "echo": e}
}

// The answers are the same in every router, and the handler runs for none but the first.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, method  string
		authorization []string
		status        int
		challenge     string
		validated     int32
	}{
		{"good", "GET", []string{"Bearer editor"}, 200, "", 1},
		{"good, another method", "PATCH", []string{"bearer editor"}, 200, "", 1},
		{"no token", "GET", nil, 401, `Bearer realm="api"`, 0},
		{"preflight", "OPTIONS", nil, 401, `Bearer realm="api"`, 0},
		{"unknown", "GET", []string{"Bearer x"}, 401, `Bearer realm="api", error="invalid_token", error_description="the token is not valid"`, 1},
		{"twice", "GET", []string{"Bearer editor", "Bearer editor"}, 400, `Bearer realm="api", error="invalid_request", error_description="more than one Authorization header"`, 0},
		{"inner scope", "GET", []string{"Bearer reader"}, 403, `Bearer realm="api", error="insufficient_scope", error_description="the token lacks a required scope", scope="write"`, 1},
	} {
		called := 0
		for name, h := range routers(func(http.ResponseWriter, *http.Request) { called++ }) {
			called = 0
			validated.Store(0)
			r := httptest.NewRequest(tt.method, "/h", nil)
			r.Header["Authorization"] = tt.authorization
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || (called == 1) != (tt.status == 200) {
				t.Errorf("%s in %s: %d %q, called %d times", tt.name, name, w.Code, w.Header().Get("WWW-Authenticate"), called)
			}
			if n := validated.Load(); n != tt.validated {
				t.Errorf("%s in %s: looked up %d times", tt.name, name, n)
			}
		}
	}
}

// Events reach the client one by one, and a connection can be taken over, through every router.
func TestStreams(t *testing.T) {
	for _, kind := range []string{"events", "socket"} {
		next := make(chan struct{})
		handler := map[string]http.HandlerFunc{
			"events": func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintln(w, "one")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Errorf("flush: %v", err)
				}
				<-next // the client has read the first line by now, or the test hangs
			},
			"socket": func(w http.ResponseWriter, _ *http.Request) {
				conn, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Errorf("hijack: %v", err)
					return
				}
				defer conn.Close()
				fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\none\n")
				rw.Flush()
				<-next
			},
		}[kind]
		for name, h := range routers(handler) {
			server := httptest.NewServer(h)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/h", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Authorization": {"Bearer editor"}, "Connection": {"Upgrade"}, "Upgrade": {"x"}}
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if line, err := bufio.NewReader(resp.Body).ReadString('\n'); line != "one\n" {
				t.Errorf("%s, %s: %q, %v", name, kind, line, err)
			}
			next <- struct{}{}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			server.Close()
		}
	}
}
