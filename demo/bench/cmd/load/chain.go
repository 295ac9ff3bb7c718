package main

import (
	"slices"
	"time"
)

// chain is what one login comes to at the provider: a token, its successor, the successor of that.
type chain struct {
	newest    string // access token
	refreshes int    // successors
}

// chains are all that the provider has on record.
type chains struct {
	byToken map[string]*chain    // access and refresh tokens
	given   map[string]time.Time // when a refresh token was first asked for
}

// chainsOf follows calls, which it puts in the order in which they began.
func chainsOf(calls []call) chains {
	slices.SortStableFunc(calls, func(a, b call) int { return a.began.Compare(b.began) })
	all := chains{map[string]*chain{}, map[string]time.Time{}}
	for _, c := range calls {
		if c.access == none {
			continue
		}
		if _, again := all.given[c.refresh]; again { // a lost answer's, within the grace
			continue
		}
		at := all.byToken[c.sent]
		if at == nil {
			at = &chain{}
		} else {
			at.refreshes++
		}
		at.newest = c.access
		all.byToken[c.access], all.byToken[c.refresh] = at, at
		all.given[c.refresh] = c.began
	}
	return all
}

// of is the chain that the first of these tokens belongs to.
func (all chains) of(shown []string) *chain {
	if len(shown) == 0 {
		return nil
	}
	return all.byToken[shown[0]]
}
