package storetest_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/storetest"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// breakage is set in the process that runs the suite over broken stores, whose failures are read by this one.
const breakage = "STORETEST_BREAKAGE"

// defect is a way to break a toy: the clause it breaks, in which the suite has to fail, and those that it cannot but
// break with it (a store that loses fields cannot replace them either), in which the suite may fail too. The suite must
// fail in no other: so far it tells its user which clause to read.
type defect struct{ bug, clause, also string }

func TestUnbroken(t *testing.T) {
	t.Parallel()
	storetest.Run(t, toyHarness(""))
}

func TestUnbrokenStateless(t *testing.T) {
	t.Parallel()
	storetest.Run(t, statelessHarness(""))
}

// TestUnbrokenPlain is the least: a store without any optional power, in a harness that can only open it.
func TestUnbrokenPlain(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{Open: func(t *testing.T) store.TokenStore {
		s, err := memstore.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return struct{ store.TokenStore }{s}
	}})
}

// racing are the clauses that let many callers loose: what they meet of a defect that belongs elsewhere is up to the
// scheduler, so failing in them as well is no fault of the suite.
const racing = "C3 R3 F1 F2 G1 S5"

// TestDefects proves the suite.
func TestDefects(t *testing.T) {
	t.Parallel()
	// One store after the other: the race detector, if there is one, blames whoever runs.
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$", "-test.v", "-test.parallel=1", "-test.timeout=8m")
	cmd.Env = append(os.Environ(), breakage+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("broken stores passed")
	}
	failed := failures(out)
	for kind, all := range map[string][]defect{"stateful": defects, "stateless": statelessDefects, "viewer": viewDefects} {
		for i, d := range all {
			t.Run(kind+"/"+d.bug, func(t *testing.T) {
				got := failed[kind+"/"+strconv.Itoa(i)]
				if !slices.Contains(got, d.clause) {
					t.Errorf("the suite fails in %q, want %s", got, d.clause)
				}
				for _, clause := range got {
					if clause != d.clause && !slices.Contains(strings.Fields(d.also+" "+racing), clause) {
						t.Errorf("the suite fails in %s as well", clause)
					}
				}
			})
		}
	}
	if t.Failed() {
		t.Logf("the end of the broken stores' run:\n%s", out[max(0, len(out)-4000):])
	}
}

// failures returns the clauses in which the store with each defect failed.
func failures(out []byte) map[string][]string {
	failed := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s+--- FAIL: TestBroken/(\w+/\d+)/(\w+) `).FindAllStringSubmatch(string(out), -1) {
		failed[m[1]] = append(failed[m[1]], m[2])
	}
	return failed
}

// TestBroken runs the suite over all broken stores, in the process that TestDefects starts.
func TestBroken(t *testing.T) {
	t.Parallel()
	if os.Getenv(breakage) == "" {
		t.Skip("run by TestDefects, in a process of its own: these stores are meant to fail")
	}
	t.Run("stateful", func(t *testing.T) {
		for i, d := range defects {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				storetest.Run(t, toyHarness(d.bug))
			})
		}
	})
	t.Run("stateless", func(t *testing.T) {
		for i, d := range statelessDefects {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				storetest.Run(t, statelessHarness(d.bug))
			})
		}
	})
	t.Run("viewer", func(t *testing.T) {
		for i, d := range viewDefects {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				storetest.Run(t, showingHarness(d.bug))
			})
		}
	})
}
