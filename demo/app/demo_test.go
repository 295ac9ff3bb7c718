package app

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// asDemo makes the test binary the demo itself, for tests that kill it.
const asDemo = "TOKENKEEP_DEMO_ARGS"

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	if args := os.Getenv(asDemo); args != "" {
		os.Exit(run(context.Background(), strings.Fields(args), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestTour walks every chapter of the tour but the one that waits.
func TestTour(t *testing.T) {
	t.Parallel()
	for name, walk := range map[string]func(*tourist, string){
		"provider": func(s *tourist, _ string) { s.visit(t.Context(), "", config{store: memory}, (*tourist).dialects) },
		"memory":   func(s *tourist, _ string) { s.visit(t.Context(), "", config{store: memory}, (*tourist).everything) },
		"sqlite": func(s *tourist, dir string) {
			s.visit(t.Context(), "", onDisk(dir, sqlite), (*tourist).everything)
			s.visit(t.Context(), "", s.again(), (*tourist).returning)
		},
		"cookie": func(s *tourist, _ string) { s.visit(t.Context(), "", config{store: cookie}, (*tourist).everything) },
		"cookie and database": func(s *tourist, dir string) {
			s.visit(t.Context(), "", onDisk(dir, cookie), (*tourist).arriving)
			s.visit(t.Context(), "", s.again(), (*tourist).returning)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTourist(io.Discard)
			defer s.http.CloseIdleConnections()
			walk(s, t.TempDir())
			s.nothingTold()
			if len(s.failed) > 0 || s.steps < 4 {
				t.Errorf("%d steps, failed: %q\n%s", s.steps, s.failed, s.told)
			}
		})
	}
}

// TestTourSees has the tour meet a demo that is wrong: it must notice.
func TestTourSees(t *testing.T) {
	t.Parallel()
	s := newTourist(io.Discard)
	defer s.http.CloseIdleConnections()
	s.visit(t.Context(), "", config{store: memory}, func(s *tourist) {
		s.step("a wrong status", func(s *step) { s.want(s.send(ask{url: s.app.url + "/api/me"}), http.StatusOK) })
		s.step("a wrong member", func(s *step) { s.want(s.send(s.ulule(grant("password"))), http.StatusBadRequest, pair{"error", "x"}) })
		s.step("no server", func(s *step) { s.send(ask{url: "http://127.0.0.1:1/"}) })
	})
	s.keep("invalid_request and more")
	s.logs.Write([]byte("here is invalid_request and more"))
	s.nothingTold()
	if len(s.failed) != 4 || s.steps != 4 {
		t.Errorf("%d steps, failed: %q", s.steps, s.failed)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, args string
		code       int
		says       string
	}{
		{"help", "-help", 0, "RISK"},
		{"unknown flag", "-frob", 2, "-frob"},
		{"argument", "frob", 2, `"frob"`},
		{"store", "-store redis", 2, `"redis"`},
		{"lifetime", "-access-ttl 10ms", 2, "-access-ttl"},
		{"errors", "-provider-errors 5", 2, "-provider-errors"},
		{"latency", "-provider-latency -1s", 2, "-provider-latency"},
		{"database without a use", "-db x.db", 2, "-store sqlite"},
		{"no port", "-addr localhost", 2, "host:port"},
		{"all addresses", "-addr :8080", 2, "-insecure-bind"},
		{"another address", "-provider-addr 192.0.2.1:9096", 2, "-insecure-bind"},
		{"a name", "-addr app.example:8080", 2, "-insecure-bind"},
		{"unwritable database", "-addr 127.0.0.1:0 -provider-addr 127.0.0.1:0 -store sqlite -db /dev/null/x.db", 1, "key file"},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields(tt.args), &out, &errs)
		if code != tt.code || !strings.Contains(errs.String(), tt.says) || out.Len() > 0 {
			t.Errorf("%s: exit code %d, want %d; stderr %q, stdout %q", tt.name, code, tt.code, errs.String(), out.String())
		}
	}
}

func TestBusyPort(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, flag := range []string{"-addr", "-provider-addr"} {
		args := []string{"-addr", "127.0.0.1:0", "-provider-addr", "127.0.0.1:0", flag, ln.Addr().String()}
		var out, errs bytes.Buffer
		code := run(t.Context(), args, &out, &errs)
		for _, part := range []string{ln.Addr().String(), "is busy", "with " + flag + "\n"} {
			if code != 1 || !strings.Contains(errs.String(), part) {
				t.Errorf("%s: exit code %d, no %q in %q", flag, code, part, errs.String())
			}
		}
	}
}

func TestReadyIsTheLastLine(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, strings.Fields("-addr 127.0.0.1:0 -provider-addr 127.0.0.1:0"), w, io.Discard)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	var text []string
	for lines.Scan() {
		text = append(text, lines.Text())
		if strings.HasPrefix(lines.Text(), "ready: app http://127.0.0.1:") && strings.Contains(lines.Text(), " provider http://127.0.0.1:") {
			stop()
		}
	}
	if code := <-done; code != 0 || !strings.HasPrefix(text[len(text)-1], "ready: ") {
		t.Errorf("exit code %d, last line %q", code, text[len(text)-1])
	}
	all := strings.Join(text, "\n")
	for _, known := range []string{
		"partner-secret", "123456789", "35e7f0bca957836d05ca0492211b0ac707671261", "google-secret",
		"wonderland", "admin@break-out.org", "ushahidiui", "google-demo", "breakout_app",
	} {
		if !strings.Contains(all, known) {
			t.Errorf("%q is not printed at start", known)
		}
	}
}

// TestInsecureBind: beyond loopback nobody can guess a password or a secret.
func TestInsecureBind(t *testing.T) {
	t.Parallel()
	s := newTourist(io.Discard)
	cfg := config{store: memory, addr: "0.0.0.0:0", providerAddr: "0.0.0.0:0", insecureBind: true}
	s.visit(t.Context(), "", cfg, func(s *tourist) {
		s.step("known secrets are refused", func(st *step) {
			st.check(strings.HasPrefix(s.app.url, "http://127.0.0.1:"), "the app is at %s", s.app.url)
			st.want(st.send(s.ulule(grant("password", alice...))), http.StatusUnauthorized, pair{"error", "invalid_client"})
			a := st.send(ask{url: s.app.url + "/api/login", form: alice})
			st.want(a, http.StatusBadRequest, pair{"error", "invalid_grant"})
			page := st.send(ask{url: s.app.url + "/"})
			st.check(!strings.Contains(page.body, s.accounts[0].password), "the page shows a password")
		})
		s.step("printed ones are good", func(st *step) {
			form := []pair{alice[0], {"password", s.accounts[0].password}}
			a := st.send(ask{url: s.app.url + "/api/login", form: form})
			st.wantUser(s.me(), a.text("handle"), "alice")
		})
	})
	if len(s.failed) > 0 {
		t.Errorf("failed: %q\n%s", s.failed, s.told)
	}
}

// TestStops: nothing is left running after stop. Not parallel: another test's demo could get the port just given back.
func TestStops(t *testing.T) { //nolint:paralleltest // see above
	d, err := start(config{store: memory, addr: "127.0.0.1:0", providerAddr: "127.0.0.1:0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := d.stop(ctx); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(d.app.url, "http://")); err == nil {
		conn.Close()
		t.Error("the app still listens")
	}
}
