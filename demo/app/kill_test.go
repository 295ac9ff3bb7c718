package app

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// child runs the demo in a process of its own and waits until it is ready.
func child(t *testing.T, args string) (_ *exec.Cmd, app string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asDemo+"="+args)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 5 && f[0] == "ready:" {
			return cmd, f[2]
		}
	}
	t.Fatal("the demo did not start")
	return nil, ""
}

// TestKill kills the demo while people sign in. Whoever was told a handle still has a session afterwards, and it still
// refreshes.
func TestKill(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "demo.db")
	args := "-addr 127.0.0.1:0 -provider-addr 127.0.0.1:0 -store sqlite -db " + db
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	cmd, app := child(t, args)
	told := make(chan string, 1000)
	for range 8 {
		go func() {
			for {
				a, err := ask{url: app + "/api/login", form: alice}.send(transport)
				if err != nil { // it is dead
					told <- ""
					return
				}
				told <- a.text("handle")
			}
		}()
	}
	var handles []string
	for working := 8; working > 0; {
		switch h := <-told; {
		case h == "":
			working--
		default:
			handles = append(handles, h)
			if len(handles) == 20 {
				cmd.Process.Kill()
			}
		}
	}
	_, app = child(t, args)
	for i, h := range handles {
		me := ask{url: app + "/api/me", headers: bearer(h)}
		if a, err := me.send(transport); err != nil || a.text("id") != "alice" {
			t.Fatalf("session %d of %d is lost: %+v, %v", i, len(handles), a, err)
		}
		if i > 0 {
			continue
		}
		expire := ask{method: http.MethodPost, url: app + "/expire", headers: bearer(h)}
		if a, err := expire.send(transport); err != nil || a.status != http.StatusSeeOther {
			t.Fatalf("expire: %+v, %v", a, err)
		}
		if a, err := me.send(transport); err != nil || a.text("id") != "alice" {
			t.Fatalf("the session does not refresh: %+v, %v", a, err)
		}
	}
	if info, err := os.Stat(db + ".keys"); err != nil || hasModes && info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
}
