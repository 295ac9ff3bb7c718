package main

import "time"

// history is what the provider's record of refreshes comes to.
type history struct {
	chains   chains
	expiries int // refresh tokens that were sent
	calls    int // token requests that nothing excuses: one for each of them
	faults   int // made on purpose

	afterFault, afterKill, afterSilence int // repeated for that reason
}

const (
	// hangUp is how long a keeper waits for an answer: half of its SendBudget.
	hangUp = 4 * time.Second
	// keeping is how long a keeper may take to store an answer: its CommitBudget.
	keeping = 5 * time.Second
)

// historyOf checks each refresh against those before it with the same refresh token: one is enough, unless the provider
// failed it, or whoever sent it was killed or had hung up before it could store the answer.
func historyOf(calls []call, kills []kill, ttl time.Duration, violate func(string, ...any)) history {
	h := history{chains: chainsOf(calls)}
	last := map[string]call{}
	for _, c := range calls {
		if c.fault != none {
			h.faults++
		}
		if c.grant != refreshing {
			continue
		}
		given, known := h.chains.given[c.sent]
		switch {
		case !known:
			violate("replica %d sent a refresh token that was never given out", c.replica)
			continue
		case c.fault == none && c.status != 200 && !left(c) && !killedBefore(kills, c, c.ended.Add(keeping)):
			violate("the provider answered %d to replica %d, and not on purpose", c.status, c.replica)
		case c.began.Before(given.Add(ttl/2 - time.Second)):
			violate("replica %d refreshed a token %v after it was given: it was fresh", c.replica, c.began.Sub(given))
		}
		before, again := last[c.sent]
		last[c.sent] = c
		switch {
		case !again:
			h.expiries++
			h.calls++
		case before.fault != none:
			h.afterFault++
		case killedBefore(kills, before, c.began):
			h.afterKill++
		case left(before):
			h.afterSilence++
		default:
			h.calls++
			violate("replica %d sent the refresh token that replica %d had sent %v before", c.replica, before.replica, c.began.Sub(before.began))
		}
	}
	return h
}

// left says whether c took so long that nobody listens to the answer.
func left(c call) bool { return c.ended.Sub(c.began) >= hangUp }

// killedBefore says whether the process that had made c was killed by then, and before it can have stored the answer. What
// it had sent may arrive when it is dead; its successor sends nothing before it is up.
func killedBefore(kills []kill, c call, then time.Time) bool {
	for _, k := range kills {
		if k.replica == c.replica && (k.replaced.IsZero() || c.began.Before(k.replaced)) && k.at.Before(c.ended.Add(keeping)) && k.at.Before(then) {
			return true
		}
	}
	return false
}
