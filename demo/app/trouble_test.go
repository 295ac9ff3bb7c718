package app

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestTrouble: half of the failures are refusals before anything is done, half are answers that get lost; other requests
// have none.
func TestTrouble(t *testing.T) {
	t.Parallel()
	done, logs := 0, &logs{}
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done++
		writeJSON(w, map[string]string{"access_token": "secret-access", "refresh_token": "secret-" + r.PostFormValue("refresh_token")})
	})
	h := trouble{errors: 1}.before(next, slog.New(slog.NewTextHandler(logs, nil)))
	ask := func(h http.Handler, method, path string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, strings.NewReader("grant_type=refresh_token&refresh_token=sent"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(replicaHeader, "3")
		h.ServeHTTP(w, r)
		return w
	}
	const n = 200
	answers := map[int]int{}
	for range n {
		answers[ask(h, http.MethodPost, "/oauth2/token/").Code]++
	}
	if answers[500] != done || answers[503] != n-done || done < n/4 || done > n-n/4 {
		t.Errorf("answers %v, %d of %d done", answers, done, n)
	}
	for _, want := range []string{
		"replica=3 grant=refresh_token sent=" + digest("sent") + " access=none refresh=none status=503 fault=unavailable",
		"sent=" + digest("sent") + " access=" + digest("secret-access") + " refresh=" + digest("secret-sent") + " status=500 fault=lost",
	} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("not in the log: %s", want)
		}
	}
	if strings.Contains(logs.String(), "secret") {
		t.Error("a token is in the log")
	}
	for path, method := range map[string]string{"/v1/me": http.MethodPost, "/token": http.MethodGet} {
		if w := ask(h, method, path); w.Code != http.StatusOK {
			t.Errorf("%s %s: %d", method, path, w.Code)
		}
	}
	began := time.Now()
	slow := trouble{latency: 50 * time.Millisecond}.before(next, slog.New(slog.NewTextHandler(logs, nil)))
	if w := ask(slow, http.MethodPost, "/token"); w.Code != http.StatusOK || time.Since(began) < 50*time.Millisecond ||
		w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(w.Body.String(), "secret-sent") {
		t.Errorf("%d %v %s after %v", w.Code, w.Header(), w.Body, time.Since(began))
	}
}

// TestWatched: what headers show of a session's token is what the provider logs of it.
func TestWatched(t *testing.T) {
	t.Parallel()
	logs := &logs{}
	d, err := start(config{store: memory, addr: "127.0.0.1:0", providerAddr: "127.0.0.1:0", trouble: trouble{latency: time.Millisecond}}, logs)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer d.stop(t.Context())
	defer transport.CloseIdleConnections()
	send := func(q ask) *answer {
		t.Helper()
		a, err := q.send(transport)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	in := send(ask{url: d.app.url + "/api/login", form: alice})
	me := ask{url: d.app.url + "/api/me", headers: bearer(in.text("handle"))}
	before := send(me)
	send(ask{method: http.MethodPost, url: d.app.url + "/expire", headers: me.headers})
	after := send(me)
	first, second := before.header.Get("X-Demo-Token"), after.header.Get("X-Demo-Token")
	if first == "" || first != in.header.Get("X-Demo-Token") || second == "" || second == first {
		t.Errorf("tokens: %q at the login, %q, %q after the refresh", in.header.Get("X-Demo-Token"), first, second)
	}
	if at, err := time.Parse(time.RFC3339Nano, after.header.Get("X-Demo-Expiry")); err != nil || time.Until(at) < time.Hour {
		t.Errorf("expiry: %v, %v", at, err)
	}
	for _, want := range []string{"grant=password sent=none access=" + first, "access=" + second} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("not in the log: %s", want)
		}
	}
}

// TestFrontAsksOthers: a request that may be repeated goes to the next replica when one has gone without notice.
func TestFrontAsksOthers(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	defer up.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + ln.Addr().String()
	ln.Close()
	f := &front{out: &http.Transport{}}
	defer f.out.CloseIdleConnections()
	for _, at := range []string{gone, up.URL} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		f.members = append(f.members, &member{url: u, dead: make(chan struct{})})
	}
	good := map[string]int{}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for range 10 {
			r := httptest.NewRequest(method, "http://front/", nil)
			if resp, err := f.RoundTrip(r); err == nil {
				resp.Body.Close()
				good[method]++
			}
		}
	}
	if good[http.MethodGet] != 10 || good[http.MethodPost] != 5 { // a POST is sent once
		t.Errorf("%v of 10 each", good)
	}
	for _, m := range f.members {
		close(m.dead)
	}
	if resp, err := f.RoundTrip(httptest.NewRequest(http.MethodGet, "http://front/", nil)); err == nil {
		resp.Body.Close()
		t.Error("nobody is up, and somebody answered")
	}
}
