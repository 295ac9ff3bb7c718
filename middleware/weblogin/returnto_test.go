package weblogin_test

import (
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// returnsTo says where a login that was asked to return to "to" ends: "" for home.
func (s *site) returnsTo(to string) string {
	s.Helper()
	b := s.browser()
	state := b.start("/login?return_to=" + url.QueryEscape(to))
	w := b.callback("code=C&state=" + state)
	if w.Code != 303 {
		s.Fatalf("%q: %d", to, w.Code)
	}
	if at := w.Header().Get("Location"); at != "/start" {
		return at
	}
	return ""
}

func newReturnSite(t *testing.T) *site {
	c := &config{}
	c.o.Home = "/start"
	return newSite(t, c)
}

func TestReturnTo(t *testing.T) {
	t.Parallel()
	s := newReturnSite(t)
	for _, to := range []string{"/", "/home", "/home?x=1#f", "/a/b-c_d.e~f", "/q?next=%2Fok", "/%C3%A9", "/a..b/.c/d.", "/" + strings.Repeat("a", 1000)} {
		if got := s.returnsTo(to); got != to {
			t.Errorf("%q: went to %q", to, got)
		}
	}
	for _, to := range []string{
		"", "home", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "https:evil.example",
		"javascript:alert(1)", "/a//b", "/a\\b", "/./a", "/a/../b", "/..", "/%2e%2e/a", "/a/%2E./b", "/%2f/evil.example", "/%5cevil.example",
		"/%09/evil.example", "/a%0d%0aSet-Cookie:x", "/%", "/%2", "/%zz", "/a b", "/é", "/\t/evil.example", "/a\nb", "/\x00", "/\x7f", "/<script>",
		"/\"x", "/{x}", " /a", "?x", "#x", "/" + strings.Repeat("a", 2048),
	} {
		if got := s.returnsTo(to); got != "" {
			t.Errorf("%q: went to %q", to, got)
		}
	}
}

// What is not a path of this site does not even reach the cookie.
func TestReturnToIsNotCarried(t *testing.T) {
	t.Parallel()
	b := newReturnSite(t).browser()
	b.start("/login?return_to=" + strings.Repeat("/", 5000))
	if n := len(b.header()); n > 1000 {
		t.Errorf("Cookie header of %d bytes", n)
	}
}

func TestReturnToTwice(t *testing.T) {
	t.Parallel()
	s := newReturnSite(t)
	b := s.browser()
	state := b.start("/login?return_to=/a&return_to=/b")
	if w := b.callback("code=C&state=" + state); w.Header().Get("Location") != "/start" {
		t.Errorf("%v", w.Header())
	}
}

// vectors reads a file of other people's data, which is not part of the repository.
func vectors(t *testing.T, name string, v any) {
	t.Helper()
	dir := os.Getenv("TOKENKEEP_VECTORS")
	if dir == "" {
		t.Skip("TOKENKEEP_VECTORS is not set")
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// TestReturnToVectors compares with what a WHATWG URL parser makes of 613 inputs.
func TestReturnToVectors(t *testing.T) {
	t.Parallel()
	var table struct {
		Accept []string `json:"must_accept"`
		Cases  []struct {
			In     string
			Hex    string `json:"in_hex"`
			Reject bool   `json:"must_reject"`
		}
	}
	vectors(t, "kit/return_to.json", &table)
	if len(table.Cases) < 613 || len(table.Accept) == 0 {
		t.Fatalf("%d cases", len(table.Cases))
	}
	s := newReturnSite(t)
	accepted := 0
	for _, c := range table.Cases {
		if c.Hex != "" {
			raw, err := hex.DecodeString(c.Hex)
			if err != nil {
				t.Fatal(err)
			}
			c.In = string(raw)
		}
		got := s.returnsTo(c.In)
		if got != "" {
			accepted++
		}
		if got != "" && (c.Reject || got != c.In) {
			t.Errorf("%q: went to %q", c.In, got)
		}
	}
	for _, in := range table.Accept {
		if got := s.returnsTo(in); got != in {
			t.Errorf("%q: went to %q", in, got)
		}
	}
	t.Logf("%d of %d accepted", accepted, len(table.Cases))
}

// TestReturnToWHATWG: whatever is accepted, a browser makes a URL of the same origin of it.
func TestReturnToWHATWG(t *testing.T) {
	t.Parallel()
	var table []any
	vectors(t, "whatwg-url/urltestdata.json", &table)
	s := newReturnSite(t)
	n, accepted := 0, 0
	for _, entry := range table {
		c, ok := entry.(map[string]any)
		if !ok {
			continue // a comment
		}
		n++
		in, _ := c["input"].(string)
		if s.returnsTo(in) == "" {
			continue
		}
		accepted++
		base, _ := c["base"].(string)
		href, _ := c["href"].(string)
		from, err := url.Parse(base)
		if base == "" || err != nil || from.Scheme != "http" && from.Scheme != "https" {
			continue
		}
		if to, err := url.Parse(href); err != nil || to.Scheme != from.Scheme || to.Host != from.Host {
			t.Errorf("%q at %s leads to %s", in, base, href)
		}
	}
	if n < 850 {
		t.Errorf("only %d cases", n)
	}
	t.Logf("%d of %d accepted", accepted, n)
}

// FuzzReturnTo: whatever is asked for, the browser stays on this site, by the opinion of net/url and by that of a
// browser, which folds backslashes and drops tabs and line ends.
func FuzzReturnTo(f *testing.F) {
	for _, seed := range []string{"/", "/a?b#c", "//x", "/\\x", "/%2e%2e/", "/\t/x", "https://x", "/a/..;/b", "/%"} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://app.example/start")
	f.Fuzz(func(t *testing.T, to string) {
		s := newReturnSite(t)
		got := s.returnsTo(to)
		if got == "" {
			return
		}
		if got != to {
			t.Fatalf("%q became %q", to, got)
		}
		folded := strings.NewReplacer("\\", "/", "\t", "", "\n", "", "\r", "").Replace(to)
		for _, in := range []string{to, folded} {
			at, err := base.Parse(in)
			if err != nil || at.Host != base.Host || at.Scheme != base.Scheme || at.User != nil || strings.HasPrefix(in, "//") {
				t.Fatalf("%q leads to %v, %v", in, at, err)
			}
		}
	})
}
