package guardtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
)

// PassThrough holds a mounted guard to wrapping no ResponseWriter: whatever a server offers, the handler gets. One event
// reaches the client before the next is written, and a connection can be taken over.
func PassThrough(t *testing.T, mount Mount) {
	guard, err := middleware.New(verifier(map[string]json.RawMessage{"good": json.RawMessage(`{"user":"u1","scope":"read"}`)}), Resolve, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &Case{}
	c.Config.Scopes = []string{"read"}
	release, left := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(mount(c, guard, streams(t, release, left).ServeHTTP))
	defer server.Close()

	get := func(path string, header ...string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer good")
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
	if line, err := bufio.NewReader(events.Body).ReadString('\n'); line != "data: one\n" {
		t.Errorf("event %q, %v", line, err)
	}
	close(release)
	events.Body.Close()
	<-left

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

// streams is a handler that needs all of its ResponseWriter: an event is sent, another after release, and left is closed
// when the client has gone; a line comes back over a connection that was taken over.
func streams(t *testing.T, release <-chan struct{}, left chan<- struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: one\n\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		<-release // the client has read the first event by now, or the test hangs
		fmt.Fprint(w, "data: two\n\n")
		<-r.Context().Done() // the client has left by now, or the test hangs
		close(left)
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
	return mux
}
