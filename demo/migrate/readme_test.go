package migrate_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// run sends both sides their sequence, and compares with what is written here and in the README.
func run(t *testing.T, peer string, before, after []step) {
	t.Helper()
	readme := read(t, "README.md")
	if len(before) != len(after) {
		t.Fatalf("%d steps before and %d after", len(before), len(after))
	}
	rows := 0
	for i, step := range before {
		old, fresh := step.do(), after[i].do()
		if old.status != step.before || fresh.status != step.after {
			t.Errorf("%s, %s: status %d before and %d after, want %d and %d",
				peer, step.name, old.status, fresh.status, step.before, step.after)
		}
		row := fmt.Sprintf("| %s | %d | %d |\n", step.name, step.before, step.after)
		if strings.Contains(readme, row) {
			rows++
		} else {
			t.Errorf("the README lacks the row %s", row)
		}
	}
	if told := statuses.FindAllString(section(readme, "## From "+peer), -1); len(told) != rows {
		t.Errorf("the README's table of %s has rows that are not tested", peer)
	}
}

// statuses are rows that tell of answers.
var statuses = regexp.MustCompile(`(?m)^\| .+ \| \d{3} \| \d{3} \|$`)

func section(readme, heading string) string {
	_, rest, _ := strings.Cut(readme, heading+"\n")
	own, _, _ := strings.Cut(rest, "\n## ")
	return own
}

var blocks = regexp.MustCompile("(?s)`([a-z0-9_]+\\.go)`[^\n]*\n\n```go\n(.*?)```")

// The README's code is that of the files it names, imports left out.
func TestReadmeCode(t *testing.T) {
	t.Parallel()
	readme := read(t, "README.md")
	found := blocks.FindAllStringSubmatch(readme, -1)
	if len(found) != 4 || strings.Count(readme, "```go\n") != 4 {
		t.Fatalf("%d blocks of named files, want 4 and no other", len(found))
	}
	for _, block := range found {
		_, code, ok := strings.Cut(read(t, block[1]), "\n)\n\n")
		if !ok || code != block[2] {
			t.Errorf("the README's %s is not the file's", block[1])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
