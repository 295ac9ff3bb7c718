package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// engines are the stores of this program, by the variable that says where each is.
var engines = map[string]string{"postgres": "TOKENKEEP_POSTGRES", "mysql": "TOKENKEEP_MYSQL", "redis": "TOKENKEEP_REDIS"}

// start runs the program and returns where the app is.
func start(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "servers")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-addr", "127.0.0.1:0", "-provider-addr", "127.0.0.1:0", "-redis", os.Getenv("TOKENKEEP_REDIS"))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 5 && f[0] == "ready:" {
			go io.Copy(io.Discard, out)
			return f[2]
		}
	}
	t.Fatal("the demo did not start")
	return ""
}

// TestStorm: a storm over four replicas makes one token request on every engine whose address is given.
func TestStorm(t *testing.T) {
	t.Parallel()
	app := start(t)
	for name, variable := range engines {
		t.Run(name, func(t *testing.T) {
			if os.Getenv(variable) == "" {
				t.Skip(variable + " is not set")
			}
			for _, form := range []string{"calls=60&replicas=4", "calls=60&replicas=4&strict=1"} {
				last := storm(t, app, name, form)
				if last.Kind != "over" || last.Good != 60 || last.TokenRequests != 1 || last.After != 200 {
					t.Errorf("%s: %+v", form, last)
				}
			}
		})
	}
}

type line struct {
	Kind                       string
	Good, TokenRequests, After int
}

func storm(t *testing.T, app, store, form string) (last line) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, app+"/storm", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.AddCookie(&http.Cookie{Name: "store", Value: store})
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var l line
		if err := dec.Decode(&l); err == io.EOF {
			return last
		} else if err != nil {
			t.Fatal(err)
		}
		last = l
	}
}
