package app

import (
	"regexp"
	"strings"
	"testing"
)

// TestSnippets: what the page shows exists in the code that runs, is short enough to read, and every template's name has
// its cut.
func TestSnippets(t *testing.T) {
	t.Parallel()
	all := snippets()
	used := map[string]bool{}
	for _, name := range []string{"index.html", "session.html", "storm.html"} {
		text, err := web.ReadFile("web/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.Code\.(\w+)`).FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = true
		}
	}
	used["device"] = true // on a page of its own
	if len(used) < 6 {
		t.Errorf("the page shows %d snippets", len(used))
	}
	for name := range used {
		text := all[name]
		lines := strings.Split(text, "\n")
		if text == "" || len(lines) > 20 {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		for _, line := range lines {
			if len(line) > 94 {
				t.Errorf("%s: too wide for the page: %s", name, line)
			}
		}
	}
	for name, text := range all {
		if !used[name] || strings.Contains(text, "//show:") {
			t.Errorf("%s is shown nowhere, or has no end", name)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	cut("package x\n\t//show:a\n\tif x {\n\t\ty()\n\t}\n\t//end\nz()\n//show:b\n\nfunc f() {}\n//end\n", got)
	if got["a"] != "if x {\n    y()\n}" || got["b"] != "func f() {}" || len(got) != 2 {
		t.Errorf("%q", got)
	}
}
