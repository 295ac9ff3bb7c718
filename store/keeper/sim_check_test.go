package keeper_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// check judges a history that is over: every answer, the provider's log, the row, and what a new process can do with
// it. "Excused" means that a fault of the history explains it, by the table of the protocol.
func (s *sim) check() {
	for _, c := range s.calls {
		s.checkCall(c)
	}
	s.checkCalm()
	row, err := s.row()
	works := false
	if err == nil {
		works = s.checkGrant(row)
	}
	s.checkAfterwards(row, works)
	s.checkOrphans()
}

// used is what of the budgets was spent.
func (s *sim) used() profile {
	return profile{
		crash: s.had.crash - s.left.crash, pause: s.had.pause - s.left.pause, lose: s.had.lose - s.left.lose,
		storeErrs: s.had.storeErrs - s.left.storeErrs, slow: s.had.slow - s.left.slow,
	}
}

func (s *sim) checkCall(c call) {
	if c.err == nil && c.rec != nil {
		if fam, known := s.families[c.rec.ID]; known && (familyOf(c.rec.Token.AccessToken) != fam || familyOf(c.rec.Token.RefreshToken) != fam) {
			s.fault("NL5: %s %s answered record %s with the tokens %s, %s of another", c.proc.name, c.what, c.rec.ID, c.rec.Token.AccessToken, c.rec.Token.RefreshToken)
		}
		for id, at := range s.acked { // the session's own, or of the grant it shares
			fam, known := s.families[id]
			mine := id == c.rec.ID || known && fam == familyOf(c.rec.Token.AccessToken)
			if mine && c.begin > at && c.what != "Start" {
				s.fault("NL4: %s %s, begun at %v, answered a record whose logout was acknowledged at %v", c.proc.name, c.what, c.begin, at)
			}
		}
	}
	u := s.used()
	excused := false
	switch {
	case c.err == nil:
		excused = true
	case errors.Is(c.err, context.Canceled), errors.Is(c.err, context.DeadlineExceeded):
		excused = s.had.leave
	case errors.Is(c.err, keeper.ErrLoginRequired):
		excused = !s.kind.forgiving() && !u.calm() || s.kind == p1c && s.loses(u) || s.swept
		if excused && !s.swept && s.kind == p2 && !s.had.logout && !s.had.login && !strings.Contains(c.err.Error(), "lost_rotation") {
			s.fault("NL3: nobody revoked it: %v", c.err)
		}
	case errors.Is(c.err, store.ErrNotFound):
		excused = s.had.logout
	}
	if errors.Is(c.err, keeper.ErrUnavailable) {
		excused = excused || !u.calm()
	}
	if !excused {
		s.fault("%s %s, begun at %v: %v", c.proc.name, c.what, c.begin, c.err)
	}
}

// loses reports whether a provider that keeps only the newest pair may lose it: two faults, or a late request.
func (s *sim) loses(u profile) bool { return u.slow > 0 || u.crash+u.pause+u.lose+u.storeErrs > 1 }

// checkCalm holds without faults: one provider's call for each refresh, each refresh token spent once (NL1), no lease
// left behind (NL7).
func (s *sim) checkCalm() {
	if !s.used().calm() || s.had.logout || s.had.login {
		return
	}
	row, err := s.row()
	if err != nil {
		s.fault("NL1: %v", err)
		return
	}
	calls := s.issuer.calls("refresh")
	if uint64(len(calls)) != row.Generation {
		s.fault("NL1: %d provider calls for %d refreshes", len(calls), row.Generation)
	}
	spent := map[string]bool{}
	for _, r := range calls {
		if r.result == "refused" || r.result == "killed" || s.kind != p0 && spent[r.token] {
			s.fault("NL1: %s sent %s twice: %s", r.who, r.token, r.result)
		}
		spent[r.token] = true
	}
	began := time.Now()
	if _, err := s.survivor().Refresh(background, s.first.Handle); err != nil || time.Since(began) > 0 {
		s.fault("NL7: a refresh after Close took %v, %v: a lease was left", time.Since(began), err)
	}
}

func (s *sim) survivor() *keeper.Keeper {
	o := s.options()
	o.NeverResend = false // the waits of this option are not what is asked for here
	keep, err := keeper.New(s.over(s.calmStore()), s.provider(), o)
	if err != nil {
		panic(err)
	}
	return keep
}

// checkGrant is NL3, and returns whether the row's refresh token works.
func (s *sim) checkGrant(row *store.Record) (works bool) {
	u, text := s.used(), row.Token.RefreshToken
	fam := familyOf(text)
	live := s.issuer.live(fam)
	switch {
	case s.issuer.usable(text):
		return true
	case s.swept:
	case s.issuer.killed(fam):
		if u.crash+u.pause+u.lose+u.slow == 0 {
			s.fault("NL3: the family of %s was revoked, and nothing explains it", text)
		}
	case len(live) == 0:
		s.fault("NL3: the row holds %s, which the provider does not know any more", text)
	case s.kind == p1c:
		if !s.loses(u) {
			s.fault("NL3: the row holds %s, the provider %v, with less than two faults", text, live)
		}
	case s.kind.forgiving():
		s.fault("NL3: the row holds %s, the provider %v", text, live)
	default:
		for _, lost := range live {
			if !s.vanished(lost) {
				s.fault("NL3: the row holds %s, but %s was received by a process that lives", text, lost)
			}
		}
	}
	return false
}

// vanished reports whether no living process can know this refresh token.
func (s *sim) vanished(text string) bool {
	return !slices.ContainsFunc(s.sends, func(x *send) bool {
		return x.answer.refresh == text && x.received && !x.proc.dead
	})
}

// sibling reports whether this refresh token is one of several for the same one: the loser of the commit rule is not
// revoked, since on many providers that would end the grant.
func (s *sim) sibling(text string) bool {
	parent := ""
	for _, x := range s.sends {
		if x.answer.refresh == text {
			parent = x.token
		}
	}
	return slices.ContainsFunc(s.sends, func(x *send) bool {
		return x.token == parent && x.answer.refresh != "" && x.answer.refresh != text
	})
}

// checkAfterwards lets a new process try: it must succeed exactly if the row works at the provider.
func (s *sim) checkAfterwards(row *store.Record, works bool) {
	time.Sleep(10 * time.Minute)
	keep := s.survivor()
	defer keep.Close(background)
	_, err := keep.Refresh(background, s.first.Handle) // of cookies the oldest
	switch {
	case row == nil || !row.Ended.IsZero():
		if !errors.Is(err, store.ErrNotFound) {
			s.fault("NL4: after the end, Refresh: %v", err)
		}
	case works && err != nil:
		s.fault("NL3: the row works at the provider, but Refresh: %v", err)
	case !works && !errors.Is(err, keeper.ErrLoginRequired):
		s.fault("NL3: the row does not work, and Refresh: %v", err)
	}
}

// checkOrphans ends what is left, pays all debts, and looks for refresh tokens that are still alive: NL4. Excused are
// those that a fault kept from us, losers of the commit rule, and what was reported as beyond revocation.
func (s *sim) checkOrphans() {
	keep := s.survivor()
	if err := keep.End(background, s.first.Handle); err != nil {
		s.fault("the last End: %v", err)
	}
	keep.Close(background)
	time.Sleep(3 * time.Hour) // for ends that a clock ahead of ours has written
	for range 2 {
		if _, err := keep.Sweep(background, 100); err != nil {
			s.fault("Sweep: %v", err)
		}
	}
	for id, fam := range s.families {
		for _, text := range s.issuer.live(fam) {
			if !s.vanished(text) && !s.sibling(text) && !s.orphan {
				s.fault("NL4: %s of record %s outlives it", text, id)
			}
		}
	}
}
