package docs

import (
	"go/version"
	"os"
	"regexp"
	"strings"
	"testing"
)

// floors are the oldest versions without a hole that reaches through us.
var floors = map[string]string{
	"github.com/redis/go-redis/v9": "9.7.3", // answers of one command went to another (CVE-2025-29923)
	"github.com/golang-jwt/jwt/v5": "5.2.2", // a header of dots was split without a limit (CVE-2025-30204)
	"github.com/gin-gonic/gin":     "1.9.1", // a file name reached a header unescaped (CVE-2023-29401)
}

var permissive = regexp.MustCompile(`^(MIT|BSD-2-Clause|BSD-3-Clause|Apache-2\.0)$`)

func TestModules(t *testing.T) {
	t.Parallel()
	listed := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z]\S+/\S+) \| (\S+) \|$`).FindAllStringSubmatch(read(t, "licences.md"), -1) {
		listed[row[1]] = row[2]
	}
	required := regexp.MustCompile(`(?m)^\t(\S+) v(\S+)`).FindAllStringSubmatch(read(t, "../../go.mod"), -1)
	if len(required) < 7 {
		t.Fatalf("%d modules in go.mod", len(required))
	}
	for _, m := range required {
		path, v := m[1], m[2]
		if !permissive.MatchString(listed[path]) {
			t.Errorf("%s: licence %q in licences.md", path, listed[path])
		}
		delete(listed, path)
		if floor, ok := floors[path]; ok && version.Compare("go"+strings.SplitN(v, "-", 2)[0], "go"+floor) < 0 {
			t.Errorf("%s is v%s, older than v%s", path, v, floor)
		}
	}
	for path := range listed {
		t.Errorf("%s is listed, and not required", path)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
