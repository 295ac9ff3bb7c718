package main

import (
	"fmt"
	"time"
)

// judge notes the figures and returns what must not have happened.
func (w *world) judge() (violations []string) {
	violate := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	f, h := w.front, w.history(violate)
	shown := func(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
	say := func(format string, args ...any) { w.said += fmt.Sprintf(format, args...) }
	say("valid token:   %d requests, %.0f/s; p50 %s, p99 %s, p99.9 %s\n", f.valid.count(),
		float64(f.valid.count())/w.plan.duration.Seconds(), shown(f.valid.at(0.5)), shown(f.valid.at(0.99)), shown(f.valid.at(0.999)))
	if f.waiting.count() > 0 {
		say("expired token: %d requests; p50 %s, p99 %s, longest %s\n", f.waiting.count(), shown(f.waiting.at(0.5)),
			shown(f.waiting.at(0.99)), shown(f.waiting.at(1-1e-12)))
	}
	say("refreshes:     %d sessions expired, %d were refreshed; %.2f calls each (not counting %d repeated after %d failures of the provider, %d after a kill)\n",
		len(w.sessions), h.refreshed, float64(h.calls)/float64(max(1, h.refreshed)), h.afterFailure, h.failures, h.afterKill)
	say("faults:        %d replicas killed, %d requests moved to another one, %d answers 503 while a token was expired\n",
		len(w.fleet.kills), f.retried.Load(), f.unavailable.Load())
	say("needless logins: %d\n", f.logins.Load())

	if n := f.logins.Load(); n > 0 {
		violate("%d requests were answered 401", n)
	}
	if n := f.broken.Load(); n > 0 {
		violate("%d requests failed although their token was valid", n)
	}
	if n := f.mixedUp.Load(); n > 0 {
		violate("%d requests saw somebody else's session", n)
	}
	for i, why := range w.late {
		violate("session %d is gone after the run: %s", i, why)
	}
	if h.refreshed != len(w.sessions) {
		violate("%d of %d sessions were refreshed", h.refreshed, len(w.sessions))
	}
	if f.valid.count() == 0 {
		violate("nothing was measured")
	}
	return violations[:min(len(violations), 20)]
}

// history is what the provider's record comes to.
type history struct {
	refreshed    int // sessions whose token was replaced
	calls        int // token requests that nothing excuses: one for each of them
	failures     int
	afterFailure int
	afterKill    int
}

// history checks each token request against those before it with the same refresh token: a repetition needs a failure of the
// provider's, or a kill of whoever sent before, since then.
func (w *world) history(violate func(string, ...any)) history {
	p, f := w.provider, w.fleet
	p.mu.Lock()
	defer p.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	var h history
	last := map[string]call{}
	for _, c := range p.calls {
		before, again := last[c.refresh]
		last[c.refresh] = c
		g := p.grants[c.refresh]
		if c.failed != "" {
			h.failures++
		}
		if g == nil {
			violate("a refresh token that was never given out was sent by %s", c.replica)
			continue
		}
		if g.n > 0 {
			violate("session %d was refreshed although its token was fresh", g.session)
		}
		killed, wasKilled := f.kills[before.replica]
		switch {
		case !again:
			h.calls++
		case before.failed != "":
			h.afterFailure++
		case wasKilled && killed.Before(c.began):
			h.afterKill++
		default:
			h.calls++
			violate("session %d: %s sent the refresh token that %s had sent %v before", g.session, c.replica, before.replica, c.began.Sub(before.began))
		}
	}
	for i := range w.sessions {
		if !p.grants[refreshToken(i, 0)].rotated.IsZero() {
			h.refreshed++
		}
	}
	return h
}
