package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// stormy starts a demo and returns what sends storms to it.
func stormy(t *testing.T, cfg config) (_ *demo, send func(form string) (lines []line, status int)) {
	t.Helper()
	cfg.addr, cfg.providerAddr = "127.0.0.1:0", "127.0.0.1:0"
	logs := &logs{}
	d, err := start(cfg, logs)
	if err != nil {
		t.Fatal(err, logs)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := d.stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return d, func(form string) (lines []line, status int) {
		t.Helper()
		resp, err := (&http.Client{Transport: transport}).Post(d.app.url+"/storm", "application/x-www-form-urlencoded", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for dec := json.NewDecoder(resp.Body); ; {
			var l line
			if err := dec.Decode(&l); err == io.EOF {
				return lines, resp.StatusCode
			} else if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, l)
		}
	}
}

// once checks a storm in which everything went right.
func once(t *testing.T, name string, lines []line, calls int) {
	t.Helper()
	over := lines[len(lines)-1]
	if over.Kind != "over" || over.Good != calls || over.TokenRequests != 1 || over.After != http.StatusOK {
		t.Errorf("%s: %+v", name, over)
	}
	byReplica, asked := map[int]int{}, 0
	for _, l := range lines {
		switch l.Kind {
		case "sent":
			byReplica[l.Replica]++
		case kindAsked:
			asked++
		}
	}
	if len(byReplica) != 3 || asked != 1 {
		t.Errorf("%s: calls by replica %v, %d token requests drawn", name, byReplica, asked)
	}
}

// TestStorm: in every store, at both kinds of provider, many calls over several replicas make one token request.
func TestStorm(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{memory, sqlite, cookie} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg := config{store: kind}
			if kind == sqlite {
				cfg = onDisk(t.TempDir(), sqlite)
			}
			_, send := stormy(t, cfg)
			for _, more := range []string{"", "&strict=1"} {
				lines, _ := send("calls=60&replicas=3" + more)
				once(t, kind+more, lines, 60)
			}
		})
	}
}

func TestStormWithoutKeeper(t *testing.T) {
	t.Parallel()
	_, send := stormy(t, config{store: memory})
	lines, _ := send("calls=30&replicas=3&naive=1&strict=1")
	if over := lines[len(lines)-1]; over.TokenRequests != 3 || over.After != http.StatusUnauthorized {
		t.Errorf("%+v", over)
	}
	for _, form := range []string{"", "calls=0&replicas=1", "calls=401&replicas=1", "calls=1&replicas=9", "calls=x&replicas=1"} {
		if _, status := send(form); status != http.StatusBadRequest {
			t.Errorf("%q: %d", form, status)
		}
	}
	if _, status := send("calls=1&replicas=1&kill=1"); (status == http.StatusBadRequest) == killable {
		t.Errorf("kill: %d", status)
	}
}

// TestReplicas: the same over processes of their own.
func TestReplicas(t *testing.T) {
	t.Parallel()
	cfg := onDisk(t.TempDir(), sqlite)
	cfg.replicas = 3
	cfg.spawn = func(args []string) *exec.Cmd {
		args = slices.Clone(args)
		for i, a := range args { // the test's way to pass arguments knows no empty ones
			if a == "" {
				args[i] = "127.0.0.1:1"
			}
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asDemo+"="+strings.Join(args, " "))
		return cmd
	}
	d, send := stormy(t, cfg)
	for _, more := range []string{"", "&strict=1"} {
		lines, _ := send("calls=60&replicas=8" + more)
		once(t, "processes"+more, lines, 60)
	}
	// A process that dies is replaced, and its place in the turn with it.
	first := d.front.members[0]
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.dead
	for alive := false; !alive; {
		d.front.mu.Lock()
		alive = d.front.members[0] != first
		d.front.mu.Unlock()
		a, err := ask{url: d.app.url + "/state"}.send(http.DefaultTransport)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("while a process is down: %+v, %v", a, err)
		}
	}
	lines, _ := send("calls=30&replicas=3")
	once(t, "after a death", lines, 30)
}

// TestEvents: a session's events arrive as they happen, and no other session's.
func TestEvents(t *testing.T) {
	t.Parallel()
	h := newHub()
	mine, stop := h.listen("mine", 1)
	all, _ := h.listen("", 10)
	h.tell(event{Kind: "used", Record: "mine"})
	h.tell(event{Kind: "used", Record: "mine"}) // nobody waits for a slow page
	h.tell(event{Kind: "used", Record: "yours"})
	if e := <-mine; e.Record != "mine" || len(mine) != 0 || len(all) != 3 {
		t.Errorf("%+v, %d and %d left", e, len(mine), len(all))
	}
	stop()
	h.close()
	for range all {
	}
	late, _ := h.listen("", 1)
	if _, ok := <-late; ok {
		t.Error("a closed hub tells")
	}
}

// TestPickStore: sessions of one store are not those of another, and going back finds them again.
func TestPickStore(t *testing.T) {
	t.Parallel()
	s := newTourist(io.Discard)
	defer s.http.CloseIdleConnections()
	s.visit(t.Context(), "", config{store: memory}, func(s *tourist) {
		s.step("pick", func(st *step) {
			jar := newJar()
			pick := func(name string, want int) {
				st.want(st.send(ask{url: s.app.url + "/store", form: []pair{{"store", name}}, jar: jar}), want)
			}
			in := func() *answer { return st.send(ask{url: s.app.url + "/state", jar: jar}) }
			st.want(st.send(ask{url: s.app.url + "/login/house/password", form: alice, jar: jar}), http.StatusSeeOther)
			st.want(in(), http.StatusOK, pair{"subject", "alice"}, pair{"store", memory})
			pick(sqlite, http.StatusSeeOther)
			st.want(in(), http.StatusOK, pair{"subject", ""}, pair{"store", sqlite})
			st.want(st.send(ask{url: s.app.url + "/login/house/password", form: alice, jar: jar}), http.StatusSeeOther)
			pick(cookie, http.StatusSeeOther)
			st.want(in(), http.StatusOK, pair{"subject", ""}, pair{"store", cookie})
			pick("mongo", http.StatusBadRequest)
			pick(redisKind, http.StatusBadRequest)
			pick(memory, http.StatusSeeOther)
			st.want(in(), http.StatusOK, pair{"subject", "alice"}, pair{"store", memory})
		})
	})
	if len(s.failed) > 0 {
		t.Errorf("%s", s.told)
	}
}

// TestCrossOrigin: another origin's page changes nothing.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	s := newTourist(io.Discard)
	defer s.http.CloseIdleConnections()
	s.visit(t.Context(), "", config{store: memory}, func(s *tourist) {
		s.step("cross origin", func(st *step) {
			for _, path := range []string{"/store", "/storm", "/expire", "/logout", "/logout/everywhere", "/login/password", "/device/house"} {
				for _, h := range []pair{{"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://127.0.0.1:1"}, {"Origin", "null"}} {
					a := st.send(ask{method: http.MethodPost, url: s.app.url + path, headers: []pair{h}, form: []pair{{"calls", "1"}, {"replicas", "1"}}})
					st.want(a, http.StatusForbidden)
				}
			}
		})
	})
	if len(s.failed) > 0 {
		t.Errorf("%s", s.told)
	}
}

// TestAssets: the page asks for nothing that it was not given, and nothing of others.
func TestAssets(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("web/*")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"https://", "//cdn", "@import", "javascript:"} {
			if bytes.Contains(text, []byte(host)) {
				t.Errorf("%s names %s", f, host)
			}
		}
		if _, err := url.Parse(f); err != nil || bytes.Contains(text, []byte(" style=\"")) || bytes.Contains(text, []byte(" onclick")) {
			t.Errorf("%s has inline code", f)
		}
	}
}
