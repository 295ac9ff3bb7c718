package jose_test

import (
	"encoding/json"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// oneHash returns 64 names that begin with a slash and have the same FNV-1a: the hash after a part that has a twin is the
// same with either, so each such part doubles the names.
func oneHash(t *testing.T) []string {
	t.Helper()
	names := []string{"/"}
	for range 6 {
		part, twin := twins(names[0])
		var next []string
		for _, n := range names {
			next = append(next, n+part, n+twin)
		}
		names = next
	}
	return names
}

func twins(prefix string) (string, string) {
	random := rand.New(rand.NewPCG(1, 2))
	seen := make(map[uint32]string, 1<<17)
	for {
		part := strconv.FormatUint(random.Uint64(), 36) + "."
		h := fnv.New32a()
		h.Write([]byte(prefix + part))
		if twin, ok := seen[h.Sum32()]; ok {
			return part, twin
		}
		seen[h.Sum32()] = part
	}
}

// Names of one hash, each with an escape, cost an object little, whoever made them; two may meet by chance. Allocations
// are counted for the whole process: no parallel test.
func TestNamesOfOneHash(t *testing.T) {
	names := oneHash(t)
	object := func(names []string) string {
		all := maps.Collect(func(yield func(string, int) bool) {
			for i, n := range names {
				yield(n, i)
			}
		})
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "/", `\/`)
	}
	payload := object(names)
	if n := testing.AllocsPerRun(10, func() { jose.ReadClaims(payload) }); n > 1000 {
		t.Errorf("%v allocations, at most 1000", n)
	}
	for _, names := range [][]string{names[:2], slices.Concat(names[:2], []string{"/other", "sub "})} {
		c, err := jose.ReadClaims(object(names))
		if err != nil {
			t.Fatalf("%q: %v", names, err)
		}
		for i, n := range names {
			if got := string(c.Get(n)); got != strconv.Itoa(i) {
				t.Errorf("%q is %s, want %d", n, got, i)
			}
		}
	}
}

// Names that differ by other characters than letters, however alike these are in ASCII, are not of one hash.
func TestNamesThatAreNoLetters(t *testing.T) {
	t.Parallel()
	if _, err := jose.ReadClaims(`{"a[":1,"a{":2,"A@":3,"b\u0040":4,"b` + "`" + `":5,"[[":6,"[{":7,"{[":8,"{{":9}`); err != nil {
		t.Error(err)
	}
}
