//go:build chaos

package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// scenario is who meets on one expired grant, and what may go wrong.
type scenario struct {
	name          string
	refreshers    int
	logout, login bool
	faults        budget
}

// tally is what all histories of a scenario come to.
type tally struct {
	runs     int // histories executed, those included that joined a known state on the way
	states   map[uint64]bool
	terminal map[string]verdict
	samples  map[string][]int // the choices that lead to each sort of bad ending
}

// verdict is how a history ends.
type verdict struct {
	lost        bool // the provider holds a live refresh token, and the row none that works
	killed      bool // the provider revoked the family
	resurrected bool // a session is back after an acknowledged logout
	misjudged   bool // the row works at the provider, and the keeper does not use it
	usurped     bool // the row of a new login does not hold its token
	orphans     int  // refresh tokens left alive after a logout, or by an old grant
	calls       int  // refresh requests
	failures    int  // calls of living processes that returned an error
}

func (v verdict) bad() string {
	var words []string
	for word, is := range map[string]bool{"lost": v.lost, "killed": v.killed, "resurrected": v.resurrected, "misjudged": v.misjudged, "usurped": v.usurped} {
		if is {
			words = append(words, word)
		}
	}
	return strings.Join(words, "+")
}

func (t *tally) count(is func(verdict) bool) (n int) {
	for _, v := range t.terminal {
		if is(v) {
			n++
		}
	}
	return n
}

// explore runs sc in all interleavings: depth first, by replay from the start. A history is cut short where it
// reaches a state that another one has been in.
func explore(t *testing.T, k kind, sc scenario) *tally {
	sum := &tally{states: map[uint64]bool{}, terminal: map[string]verdict{}, samples: map[string][]int{}}
	todo := [][]int{nil}
	for len(todo) > 0 && !t.Failed() {
		prefix := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		sum.runs++
		var path []int
		choose := func(n int, state func() uint64) (int, bool) {
			if len(path) < len(prefix) {
				path = append(path, prefix[len(path)])
				return path[len(path)-1], true
			}
			h := state()
			if sum.states[h] {
				return 0, false
			}
			sum.states[h] = true
			for i := n - 1; i > 0; i-- {
				todo = append(todo, append(append([]int(nil), path...), i))
			}
			path = append(path, 0)
			return 0, true
		}
		v, end, trace := history(t, k, sc, choose, false)
		if t.Failed() {
			t.Logf("choices %v\n%s", path, trace)
		}
		if end == "" {
			continue
		}
		sum.terminal[end] = v
		if bad := v.bad(); bad != "" && sum.samples[bad] == nil {
			sum.samples[bad] = path
		}
		if v.failures > 0 && sum.samples["unserved"] == nil {
			sum.samples["unserved"] = path
		}
	}
	return sum
}

// history runs one; end tells its terminal state, and is empty if it was cut short.
func history(t *testing.T, k kind, sc scenario, choose func(int, func() uint64) (int, bool), loud bool) (v verdict, end, trace string) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(k, sc)
		s.choose, s.loud = choose, loud
		whole, err := s.run()
		if err == nil && whole {
			v, end, err = s.judge()
		}
		s.clear()
		if err != nil {
			t.Errorf("%v %s: %v", k, sc.name, err)
		}
		trace = strings.Join(s.trace, "\n")
	})
	return v, end, trace
}

// replay returns the trace of the history with these choices.
func replay(t *testing.T, k kind, sc scenario, path []int) string {
	step := 0
	_, _, trace := history(t, k, sc, func(int, func() uint64) (int, bool) {
		step++
		return path[step-1], true
	}, true)
	return trace
}

func newStage(k kind, sc scenario) *stage {
	s := &stage{begun: time.Now(), left: sc.faults, writes: map[store.Version]string{}, wake: make(chan struct{}, 1)}
	s.issuer = newIssuer(k, chaosLimit, time.Now)
	if sc.refreshers == 1 { // nobody may be left to ask in time
		s.issuer.grace = chaosGrace
	}
	var err error
	if s.mem, err = memstore.New(&memstore.Options{MaxRecords: 16}); err != nil {
		panic(err)
	}
	first := &actor{stage: s, name: "first"}
	keep, err := keeper.New(s.mem, first, chaosOptions())
	if err != nil {
		panic(err)
	}
	if _, err = keep.Start(background, chaosKey, chaosRecord(s.issuer.login())); err != nil {
		panic(err)
	}
	for i := range sc.refreshers {
		s.newActor("refresher", string(rune('A'+i)), (*actor).refresher)
	}
	if sc.logout {
		s.newActor("logout", "logout", (*actor).logout)
	}
	if sc.login {
		s.newActor("login", "login", (*actor).login)
	}
	return s
}

// clear ends what is left of the history.
func (s *stage) clear() {
	for _, a := range s.actors {
		s.kill(a)
	}
	time.Sleep(time.Hour)
}

// judge looks at the row and at the provider when all is done and no grace runs any more, then lets a new process try to
// live with it.
func (s *stage) judge() (verdict, string, error) {
	time.Sleep(chaosLimit)
	v := verdict{calls: len(s.issuer.calls("refresh"))}
	row, rowErr := s.mem.Get(background, chaosKey)
	fam, loggedIn := 0, false
	end := fmt.Sprint(rowErr, s.issuer.fingerprint())
	for _, a := range s.actors {
		if a.dead {
			continue
		}
		end += fmt.Sprintf(" %s: %v %v", a.name, a.err, a.tooLate)
		if !a.answered {
			return v, "", fmt.Errorf("%s has no answer", a.name)
		}
		if a.err != nil {
			v.failures++
		}
		if a.name == "login" && a.err == nil {
			fam, loggedIn = familyOf(a.rec.Token.RefreshToken), true
		}
		v.resurrected = v.resurrected || a.tooLate && a.err == nil && a.name != "logout" && !loggedIn && row == nil
	}
	works := false
	if rowErr == nil {
		text := row.Token.RefreshToken
		end += " " + text
		works = s.issuer.usable(text)
		v.resurrected = v.resurrected || s.ended && !loggedIn && row.Ended.IsZero()
		v.usurped = loggedIn && familyOf(text) != fam
		v.killed = s.issuer.killed(familyOf(text))
		v.lost = !works && !v.killed && len(s.issuer.live(familyOf(text))) > 0
	}
	return v, end, s.epilogue(&v, rowErr, works, fam)
}

// epilogue is ten minutes later: back-offs are over.
func (s *stage) epilogue(v *verdict, rowErr error, works bool, fam int) error {
	time.Sleep(10 * time.Minute)
	keep, err := keeper.New(s.mem, plain{s.issuer}, chaosOptions())
	if err != nil {
		return err
	}
	defer keep.Close(background)
	ctx, cancel := context.WithTimeout(background, time.Minute)
	defer cancel()
	if rowErr == nil {
		_, err = keep.Refresh(ctx, chaosKey)
		if works != (err == nil) {
			v.misjudged = true
			s.say("ten minutes later: works %t, Refresh: %v", works, err)
		}
	}
	if fam != 0 { // what the old grant left to be revoked is paid when the new one ends
		if err := keep.End(ctx, chaosKey); err != nil {
			return fmt.Errorf("end: %w", err)
		}
		keep.Close(ctx)
	}
	for range 2 {
		if _, err := keep.Sweep(ctx, 100); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	if errors.Is(rowErr, store.ErrNotFound) || fam != 0 {
		v.orphans = len(s.issuer.live(0))
	}
	return nil
}
