package browser_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware/internal/browser"
)

func newSite(t *testing.T, c browser.Config) *browser.Site {
	t.Helper()
	s, err := browser.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		c      browser.Config
		cookie string
		faults []string
	}{
		{"zero", browser.Config{}, "__Host-session", nil},
		{"all", browser.Config{Name: "kit", Origin: "https://app.example", SameSite: http.SameSiteStrictMode}, "__Host-kit", nil},
		{"loopback", browser.Config{Origin: "http://127.0.0.1:8080", InsecureLoopbackHTTP: true}, "session", nil},
		{"loopback by name", browser.Config{Origin: "http://localhost", InsecureLoopbackHTTP: true}, "session", nil},
		{"loopback by IPv6", browser.Config{Origin: "http://[::1]:1", InsecureLoopbackHTTP: true}, "session", nil},
		{"name and SameSite", browser.Config{Name: "a-1", SameSite: http.SameSiteNoneMode}, "", []string{"Name", "SameSite"}},
		{"long name", browser.Config{Name: strings.Repeat("a", 33)}, "", []string{"Name"}},
		{"http", browser.Config{Origin: "http://127.0.0.1"}, "", []string{"not https"}},
		{"http elsewhere", browser.Config{Origin: "http://app.example", InsecureLoopbackHTTP: true}, "", []string{"InsecureLoopbackHTTP"}},
		{"insecure https", browser.Config{Origin: "https://127.0.0.1", InsecureLoopbackHTTP: true}, "", []string{"InsecureLoopbackHTTP"}},
		{"insecure nowhere", browser.Config{InsecureLoopbackHTTP: true}, "", []string{"InsecureLoopbackHTTP"}},
		{"path", browser.Config{Origin: "https://app.example/"}, "", []string{"Origin"}},
		{"upper case", browser.Config{Origin: "https://App.example"}, "", []string{"Origin"}},
		{"no scheme", browser.Config{Origin: "app.example"}, "", []string{"Origin"}},
		{"ftp", browser.Config{Origin: "ftp://app.example"}, "", []string{"Origin"}},
	}
	for _, tt := range tests {
		s, err := browser.New(tt.c)
		if (err != nil) != (tt.faults != nil) {
			t.Errorf("%s: error %v", tt.name, err)
			continue
		}
		for _, part := range tt.faults {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %s is not reported: %v", tt.name, part, err)
			}
		}
		if err == nil && s.Cookie != tt.cookie {
			t.Errorf("%s: cookie %q, want %q", tt.name, s.Cookie, tt.cookie)
		}
	}
	a, b := newSite(t, browser.Config{Origin: "https://a.example"}), newSite(t, browser.Config{Origin: "https://b.example"})
	if a.Bound == b.Bound || a.Bound == newSite(t, browser.Config{Name: "kit", Origin: "https://a.example"}).Bound {
		t.Error("two sites are bound to the same name")
	}
}

// answer is a browser's Cookie header after the response, by RFC 6265bis section 5.7 as far as it concerns us.
func answer(jar map[string]string, w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(jar, c.Name)
			continue
		}
		jar[c.Name] = c.Value
	}
}

func header(jar map[string]string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for name, value := range jar {
		r.Header.Set("Cookie", strings.TrimPrefix(r.Header.Get("Cookie")+"; "+name+"="+value, "; "))
	}
	return r
}

func TestSetAndRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, browser.Config{})
	jar := map[string]string{"other": "1"}
	for _, tt := range []struct{ size, cookies int }{
		{1, 1}, {43, 1}, {3900, 1}, {3984, 1}, {3985, 2}, {7900, 2}, {12000, 4}, {15600, 4}, {8000, 3}, {100, 1}, {15900, 4}, {3000, 1},
	} {
		value := strings.Repeat("abcdefghij", tt.size/10+1)[:tt.size]
		w := httptest.NewRecorder()
		if err := s.Set(w, header(jar), value, time.Hour); err != nil {
			t.Fatalf("%d bytes: %v", tt.size, err)
		}
		for _, line := range w.Header()["Set-Cookie"] {
			if len(line) > 4096 {
				t.Errorf("%d bytes: a line of %d", tt.size, len(line))
			}
			if !strings.HasSuffix(line, "; HttpOnly; Secure; SameSite=Lax") || !strings.Contains(line, "; Path=/; Max-Age=") {
				t.Errorf("%.300s", line)
			}
		}
		answer(jar, w)
		if len(jar) != tt.cookies+1 {
			t.Errorf("%d bytes: %d cookies, want %d", tt.size, len(jar)-1, tt.cookies)
		}
		got, presence, stale := s.Read(header(jar))
		if got != value || presence != browser.One || stale {
			t.Errorf("%d bytes: read %d, %v, stale %v", tt.size, len(got), presence, stale)
		}
	}
	w := httptest.NewRecorder()
	s.Clear(w, header(jar))
	answer(jar, w)
	if len(jar) != 1 {
		t.Errorf("after Clear: %v", jar)
	}
}

func TestSetRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, browser.Config{})
	for _, value := range []string{"", "~x", "a b", "a;b", "a,b", `a"b`, `a\b`, "é", "a\n"} {
		w := httptest.NewRecorder()
		if err := s.Set(w, header(nil), value, time.Hour); err == nil || len(w.Header()) > 0 {
			t.Errorf("%q: %v, %v", value, err, w.Header())
		}
	}
	w := httptest.NewRecorder()
	if err := s.Set(w, header(nil), strings.Repeat("a", 20<<10), time.Hour); !errors.Is(err, browser.ErrTooLarge) || len(w.Header()) > 0 {
		t.Errorf("20 KiB: %v, %v", err, w.Header())
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	const n = "__Host-session"
	tests := []struct {
		name, cookie, value string
		presence            browser.Presence
		stale               bool
	}{
		{"none", "a=1; b=2", "", browser.None, false},
		{"one", "a=1;" + n + "=x", "x", browser.One, false},
		{"spaces and tabs", " \t " + n + "=x \t", "x", browser.One, false},
		{"value with =", n + "=x=y", "x=y", browser.One, false},
		{"twice", n + "=x; " + n + "=x", "", browser.Broken, false},
		{"thrice", n + "=x; " + n + "=y; " + n + "=z", "", browser.Broken, false},
		{"empty", n + "=", "", browser.Broken, false},
		{"no =", n, "", browser.None, false},
		{"other case", "__host-session=x; __HOST-session=y", "", browser.None, false},
		{"no name", "=" + n + "=x", "", browser.None, false},
		{"longer name", n + "s=x; " + n + "-flow-1=y; " + n + "-=z; " + n + "-0=a; " + n + "-4=b; " + n + "-10=c", "", browser.None, false},
		{"two parts", n + "=~2~a; " + n + "-1=b", "ab", browser.One, false},
		{"any order", n + "-2=c; " + n + "-1=b; " + n + "=~3~a", "abc", browser.One, false},
		{"a part is missing", n + "=~3~a; " + n + "-1=b", "", browser.Broken, true},
		{"a part is there twice", n + "=~2~a; " + n + "-1=b; " + n + "-1=b", "", browser.Broken, true},
		{"one part too many", n + "=~2~a; " + n + "-1=b; " + n + "-2=c", "ab", browser.One, true},
		{"single with an old part", n + "=a; " + n + "-1=b", "a", browser.One, true},
		{"parts without a first", n + "-1=b", "", browser.None, true},
		{"count of one", n + "=~1~a", "", browser.Broken, false},
		{"count of nine", n + "=~9~a", "", browser.Broken, false},
		{"count of none", n + "=~", "", browser.Broken, false},
		{"longer than any that was set", n + "=" + strings.Repeat("x", 4001), "", browser.Broken, false},
		{"a part longer than any that was set", n + "=~2~a; " + n + "-1=" + strings.Repeat("x", 4001), "", browser.Broken, true},
		{"count without end", n + "=~2a; " + n + "-1=b", "", browser.Broken, true},
	}
	s := newSite(t, browser.Config{})
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", tt.cookie)
		value, presence, stale := s.Read(r)
		if value != tt.value || presence != tt.presence || stale != tt.stale {
			t.Errorf("%s: %.20q, %v, stale %v", tt.name, value, presence, stale)
		}
		r.Header["Cookie"] = strings.Split(tt.cookie, "; ") // HTTP/2 may send one line each
		if again, _, _ := s.Read(r); again != tt.value {
			t.Errorf("%s, in lines: %.20q", tt.name, again)
		}
	}
}

func TestSetReplacesInOneResponse(t *testing.T) {
	t.Parallel()
	s := newSite(t, browser.Config{})
	w := httptest.NewRecorder()
	w.Header().Add("Set-Cookie", "other=1")
	s.Clear(w, header(nil))
	if err := s.Set(w, header(nil), "x", time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := w.Header()["Set-Cookie"]; len(got) != 2 || got[0] != "other=1" || !strings.HasPrefix(got[1], "__Host-session=x;") {
		t.Errorf("%q", got)
	}
	if got := w.Header()["Vary"]; len(got) != 1 {
		t.Errorf("Vary %q", got)
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	s := newSite(t, browser.Config{})
	for d, want := range map[time.Duration]string{time.Hour: "3600", 500 * 24 * time.Hour: "34560000", -time.Hour: "0"} {
		w := httptest.NewRecorder()
		s.SetCookie(w, "a", "b", d, "Lax")
		if line := w.Header().Get("Set-Cookie"); !strings.Contains(line, "; Max-Age="+want+";") {
			t.Errorf("%v: %s", d, line)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	s := newSite(t, browser.Config{Origin: "http://127.0.0.1:8080", InsecureLoopbackHTTP: true})
	w := httptest.NewRecorder()
	if err := s.Set(w, header(nil), "x", time.Hour); err != nil {
		t.Fatal(err)
	}
	if line := w.Header().Get("Set-Cookie"); line != "session=x; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax" {
		t.Error(line)
	}
	for host, want := range map[string]browser.Presence{
		"127.0.0.1:8080": browser.One, "localhost": browser.One, "[::1]:8080": browser.One, "[::1]": browser.One,
		"rebound.example:8080": browser.None, "127.0.0.1.example": browser.None, "": browser.None,
	} {
		r := header(map[string]string{"session": "x"})
		r.Host = host
		if _, presence, _ := s.Read(r); presence != want {
			t.Errorf("Host %q: %v, want %v", host, presence, want)
		}
	}
}

func TestCheckOrigin(t *testing.T) {
	t.Parallel()
	const own = "https://app.example"
	tests := []struct {
		name, method, site, origin string
		unset, set                 bool // allowed without and with Config.Origin
	}{
		{"safe method", "GET", "cross-site", "https://evil.example", true, true},
		{"HEAD", "HEAD", "cross-site", "https://evil.example", true, true},
		{"OPTIONS", "OPTIONS", "", "https://evil.example", true, true},
		{"same origin", "POST", "same-origin", own, true, true},
		{"typed by the user", "POST", "none", "", true, true},
		{"sibling subdomain", "POST", "same-site", "https://sibling.app.example", false, false},
		{"another site", "POST", "cross-site", "https://evil.example", false, false},
		{"another site that claims our origin", "POST", "cross-site", own, false, false},
		{"unknown kind", "POST", "surprise", own, false, false},
		{"no browser", "POST", "", "", true, true},
		{"old browser", "POST", "", own, true, true},
		{"old browser, sibling", "POST", "", "https://sibling.app.example", false, false},
		{"old browser, same host over http", "POST", "", "http://app.example", false, false},
		{"old browser, opaque origin", "POST", "", "null", false, false},
		{"old browser, other port", "POST", "", "https://app.example:8443", false, false},
		{"DELETE", "DELETE", "cross-site", "", false, false},
		{"a method of somebody's own", "FROB", "cross-site", "", false, false},
		{"WebSocket, own page", "GET websocket", "same-origin", own, true, true},
		{"WebSocket, old browser", "GET websocket", "", own, true, true},
		{"WebSocket, no browser", "GET websocket", "", "", true, true},
		{"WebSocket, sibling subdomain", "GET websocket", "same-site", "https://sibling.app.example", false, false},
		{"WebSocket, old browser, sibling subdomain", "GET websocket", "", "https://sibling.app.example", false, false},
		{"WebSocket, old browser, same host over http", "GET websocket", "", "http://app.example", false, false},
		{"WebSocket over HTTP/2", "CONNECT", "same-site", "https://sibling.app.example", false, false},
	}
	for _, tt := range tests {
		for origin, want := range map[string]bool{"": tt.unset, own: tt.set} {
			method, upgrade, _ := strings.Cut(tt.method, " ")
			r := httptest.NewRequest(http.MethodPost, own+"/x", nil)
			r.Method = method
			if upgrade != "" {
				r.Header.Set("Connection", "Upgrade")
				r.Header.Set("Upgrade", upgrade)
			}
			for name, value := range map[string]string{"Sec-Fetch-Site": tt.site, "Origin": tt.origin} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			if err := newSite(t, browser.Config{Origin: origin}).CheckOrigin(r); (err == nil) != want {
				t.Errorf("%s, Origin %q: %v", tt.name, origin, err)
			}
		}
	}
	// Behind a proxy that changes Host, what was configured counts.
	r := httptest.NewRequest("POST", "http://10.0.0.1/", nil)
	r.Header.Set("Origin", own)
	if err := newSite(t, browser.Config{Origin: own}).CheckOrigin(r); err != nil {
		t.Errorf("changed Host: %v", err)
	}
	// No Host at all must not match the opaque origin.
	r.Host = ""
	r.Header.Set("Origin", "null")
	if err := newSite(t, browser.Config{}).CheckOrigin(r); err == nil {
		t.Error("null matched an empty Host")
	}
}

// FuzzRead: whatever the header holds, reading ends, and what is read could have been set: setting it and reading it
// back gives the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"__Host-session=x", "__Host-session=~2~a; __Host-session-1=b", "=;;= ;a", "__Host-session=~~~~", `__Host-session="x"`} {
		f.Add(seed)
	}
	s, err := browser.New(browser.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Cookie"] = []string{cookie}
		value, presence, _ := s.Read(r)
		if presence != browser.One {
			if value != "" {
				t.Fatalf("a value with presence %v", presence)
			}
			return
		}
		w := httptest.NewRecorder()
		jar := map[string]string{}
		s.ClearStale(w, r)
		if s.Set(w, r, value, time.Hour) != nil {
			return
		}
		answer(jar, w)
		if got, presence, stale := s.Read(header(jar)); got != value || presence != browser.One || stale {
			t.Fatalf("%q became %q, %v, %v", value, got, presence, stale)
		}
	})
}
