package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	first, err := loadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadKeys(path)
	if err != nil || !slices.Equal(first.App, again.App) || !slices.Equal(first.Provider, again.Provider) {
		t.Errorf("read again: %v, other keys", err)
	}
	if slices.Equal(first.App, first.Provider) {
		t.Error("both halves have the same key")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("files: %q", left)
	}
	other, err := loadKeys("")
	if err != nil || slices.Equal(first.App, other.App) {
		t.Errorf("without a file: %v, or the same keys", err)
	}
	if info, err := os.Stat(path); err != nil || hasModes && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestKeysRefused(t *testing.T) {
	t.Parallel()
	const secret = "c2VjcmV0LXRoYXQtbXVzdC1ub3QtYmUtcXVvdGVk"
	for name, text := range map[string]string{
		"empty": "", "no JSON": secret, "short": `{"app":"` + secret + `","provider":"AAAA"}`, "one": `{"app":"` + secret + `"}`,
	} {
		path := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadKeys(path); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !hasModes {
		return
	}
	path := filepath.Join(t.TempDir(), "keys")
	if _, err := loadKeys(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := loadKeys(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key file that others may read: %v", err)
	}
}

func TestLocalHost(t *testing.T) {
	t.Parallel()
	h := localHost(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost": 200, "LOCALHOST:1": 200, "[::1]:8080": 200, "127.1.2.3": 200,
		"rebound.example:8080": 421, "127.0.0.1.example": 421, "localhost.example": 421, "": 421, "192.168.0.1": 421,
		"127.0.0.1@evil.example": 421, "127.0.0.1/evil": 421, "0.0.0.0:8080": 421, "[::1": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestOneOrigin(t *testing.T) {
	t.Parallel()
	h := oneOrigin("http://127.0.0.1:8080", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	tests := []struct{ method, host, path, to string }{
		{"GET", "127.0.0.1:8080", "/", ""},
		{"GET", "localhost:8080", "/", "http://127.0.0.1:8080/"},
		{"GET", "localhost:8080", "/login", "http://127.0.0.1:8080/login"},
		{"GET", "localhost:8080", "/api/me", ""},
		{"POST", "localhost:8080", "/", ""},
		{"GET", "192.0.2.1:8080", "/", ""}, // with -insecure-bind: loopback is another machine there
		{"GET", "localhost:9999", "/", ""}, // a forwarded port: the other one may not be reachable
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != tt.to {
			t.Errorf("%s %s%s: to %q, want %q", tt.method, tt.host, tt.path, got, tt.to)
		}
	}
}

// TestCurl: what the tour prints is a command, without its secrets.
func TestCurl(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		q    ask
		want string
	}{
		{"get", ask{url: "http://h/me"}, "curl -i http://h/me"},
		{"empty post", ask{method: "POST", url: "http://h/x"}, "curl -i -X POST http://h/x"},
		{"form", ask{url: "http://h/", user: pair{"id", "secret-of-client"}, form: []pair{{"a", "b c"}, {"password", "wonderland"}}},
			"curl -i -u id:secr… --data-urlencode 'a=b c' -d password=wond… http://h/"},
		{"short secret", ask{url: "http://h/", form: []pair{{"password", "admin"}}}, "curl -i -d password=… http://h/"},
		{"bearer", ask{url: "http://h/", headers: bearer("abcdefgh-secret")}, "curl -i -H 'Authorization: Bearer abcd…' http://h/"},
		{"query", ask{url: "http://h/?code=abcdefgh&x=1"}, "curl -i 'http://h/?code=abcd…&x=1'"},
		{"json", ask{url: "http://h/", json: `{"client_secret":"abcdefgh","grant_type":"password"}`},
			`curl -i -d '{"client_secret":"abcd…","grant_type":"password"}' http://h/`},
		{"quote", ask{url: "http://h/", form: []pair{{"a", "it's"}}}, `curl -i --data-urlencode 'a=it'\''s' http://h/`},
	}
	for _, tt := range tests {
		if got := tt.q.curl(); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestFillIn(t *testing.T) {
	t.Parallel()
	page := `<form method="post"><input type="hidden" name="request" value="a&amp;b"><input name="username" value="old"></form>`
	got, err := fillIn(page, map[string]string{"username": "alice"}, pair{"decision", "allow"})
	if want := []pair{{"request", "a&b"}, {"username", "alice"}, {"decision", "allow"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := fillIn("<p>", nil, pair{}); err == nil {
		t.Error("a page without a form was filled in")
	}
}
