package main

import (
	"fmt"
	"time"
)

// judge notes the figures and returns what must not have happened.
func (w *world) judge(calls []call, kills []kill) (violations []string) {
	violate := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	f, h := w.watch, historyOf(calls, kills, w.plan.ttl, violate)
	w.tell(h, len(kills))
	if n := f.logins.Load(); n > 0 {
		violate("%d requests were answered 401", n)
	}
	if n := f.broken.Load(); n > 0 {
		violate("%d requests failed although their token was valid", n)
	}
	if n := f.mixedUp.Load(); n > 0 {
		violate("%d requests saw another user's page", n)
	}
	w.identities(h.chains, violate)
	for i, why := range w.late {
		violate("session %d is not what it should be after the run: %s", i, why)
	}
	if f.valid.count() == 0 {
		violate("nothing was measured")
	}
	if h.expiries < len(f.sessions) {
		violate("%d sessions, and %d expiries", len(f.sessions), h.expiries)
	}
	return violations[:min(len(violations), 20)]
}

// identities: all tokens of a session are of one chain, and of nobody else's.
func (w *world) identities(chains chains, violate func(string, ...any)) {
	whose := map[*chain]int{}
	for i, s := range w.watch.sessions {
		for _, token := range s.tokens() {
			c := chains.byToken[token]
			if c == nil {
				violate("session %d was shown a token that was never given out", i)
				continue
			}
			if other, taken := whose[c]; taken && other != i {
				violate("session %d was shown a token of session %d", i, other)
				continue
			}
			whose[c] = i
		}
		if own := chains.of(s.tokens()); own != nil {
			for _, token := range s.tokens() {
				if c := chains.byToken[token]; c != nil && c != own {
					violate("session %d was shown tokens of two logins", i)
					break
				}
			}
		}
	}
}

func (w *world) tell(h history, killed int) {
	f := w.watch
	shown := func(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
	say := func(format string, args ...any) { w.said += fmt.Sprintf(format, args...) }
	say("logins:        %d in %v\n", len(f.sessions), w.signing.Round(time.Second))
	say("valid token:   %d requests, %.0f/s; p50 %s, p99 %s, p99.9 %s\n", f.valid.count(),
		float64(f.valid.count())/w.plan.duration.Seconds(), shown(f.valid.at(0.5)), shown(f.valid.at(0.99)), shown(f.valid.at(0.999)))
	if f.waiting.count() > 0 {
		say("expired token: %d requests; p50 %s, p99 %s, longest %s\n", f.waiting.count(), shown(f.waiting.at(0.5)),
			shown(f.waiting.at(0.99)), shown(f.waiting.at(1-1e-12)))
	}
	say("refreshes:     %d expiries; %.2f calls per expiry\n", h.expiries, float64(h.calls)/float64(max(1, h.expiries)))
	say("               not counted: %d calls repeated after a failure of the provider, %d after a kill, %d after %v without an answer\n",
		h.afterFault, h.afterKill, h.afterSilence, hangUp)
	say("faults:        %d failures of the provider, %d replicas killed; %d requests not answered while their token was expired\n",
		h.faults, killed, f.unavailable.Load())
	say("needless logins: %d\n", f.logins.Load())
}
