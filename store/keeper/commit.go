package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// commit stores the answer before anybody uses it. If the store does not take it, callers are served all the same, and
// the keeper goes on trying.
func (a *attempt) commit(ctx context.Context, leased *store.Record, st state, tok store.Token) (*store.Record, error) {
	k := a.k
	c := &commit{k: k, tokens: a.tokens, h: a.h, parent: leased, fence: st.Fence, owner: st.Owner, token: tok, issued: k.o.Now(), at: a.clock(leased)}
	k.o.at(ctx, "before-commit", leased.ID)
	rec, err := c.try(ctx)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		rec, err = k.keepUnsaved(ctx, c, err)
	}
	if err != nil {
		return nil, err
	}
	k.o.at(ctx, "after-commit", leased.ID)
	if a.committed = c.won; c.won {
		k.payLater(ctx, a.h, rec) // what a login under this Key could not have revoked: Sweep visits no live record
	}
	return rec, nil
}

// keepRefreshToken commits only the refresh token that came with an answer we cannot use.
func (a *attempt) keepRefreshToken(ctx context.Context, leased *store.Record, st state, tok store.Token, cause error) (*store.Record, error) {
	k := a.k
	now := a.clock(leased)
	c := &commit{k: k, tokens: a.tokens, h: a.h, parent: leased, fence: st.Fence, owner: st.Owner, issued: k.o.Now(), at: now,
		token: store.Token{RefreshToken: tok.RefreshToken, RefreshExpiry: tok.RefreshExpiry}, partial: true,
		then: func(s *state) {
			s.Steps = st.Steps
			k.backOff(s, now, outcomeOf(cause).String(), retryAfterOf(cause))
		}}
	if _, err := c.try(ctx); err != nil && !errors.Is(err, store.ErrNotFound) {
		_, _ = k.keepUnsaved(ctx, c, err) // nobody is served: there is no access token
	}
	return nil, unavailable("refreshing", cause)
}

// commit is an answer on its way into the store.
type commit struct {
	k       *Keeper
	tokens  store.TokenStore
	h       store.Handle
	parent  *store.Record // as leased
	fence   uint64
	owner   string
	token   store.Token  // as answered
	issued  time.Time    // by this process's clock
	at      time.Time    // the same by the store's
	partial bool         // the token is a refresh token only: nothing else is known to have changed
	then    func(*state) // more to note; may be nil
	won     bool         // our answer is what the store holds
}

// try applies the commit rule until CommitBudget ends: accept if and only if the record is still this grant and
// (parent generation + 1, our lease) is greater than what is stored. It returns the record as stored then, ours or a
// newer one, another grant's included; ErrNotFound if the grant is gone; any other error if the store could not be asked.
func (c *commit) try(ctx context.Context) (*store.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, c.k.o.CommitBudget)
	defer cancel()
	base := c.parent
	absent := 0
	for pause := c.k.retryPause(); ; {
		next, err := c.apply(base)
		if err != nil {
			return nil, err
		}
		out, err := c.tokens.Put(ctx, c.h, next)
		switch {
		case err == nil:
			return c.stored(out), nil
		case errors.Is(err, store.ErrNotFound):
			return nil, c.orphaned(ctx, nil)
		case !errors.Is(err, store.ErrConflict):
			return nil, err
		}
		cur, err := c.tokens.Get(ctx, c.h)
		switch {
		case errors.Is(err, store.ErrEnded):
			return nil, c.orphaned(ctx, cur)
		case errors.Is(err, store.ErrNotFound):
			// Changed, says the Put; absent, says the Get: ended and removed, or expired. Only a Put's word counts.
			if absent++; absent > 1 {
				return nil, c.orphaned(ctx, nil)
			}
			pause.wait(ctx)
			continue
		case err != nil:
			return nil, err
		case cur.ID != c.parent.ID: // a new login under the same key
			_ = c.orphaned(ctx, cur) // the callers get the new login
			c.k.observe(Adopted, cur)
			return cur, nil
		}
		st, err := decodeState(cur)
		if err != nil {
			return nil, err
		}
		gen := c.parent.Generation + 1
		switch {
		case cur.Generation == gen && st.SavedFence == c.fence && st.SavedOwner == c.owner:
			return c.stored(cur), nil // ours: only the answer was lost
		case c.beats(cur, st):
			base = cur
		default:
			c.k.observe(Adopted, cur)
			return cur, nil
		}
	}
}

// beats is the order of the commit rule: first the generation, then the lease.
func (c *commit) beats(cur *store.Record, st state) bool {
	gen := c.parent.Generation + 1
	return gen > cur.Generation || gen == cur.Generation && c.fence > st.SavedFence
}

func (c *commit) stored(rec *store.Record) *store.Record {
	c.won = true
	if !c.partial {
		c.k.observe(Refreshed, rec)
	}
	return rec
}

// apply puts the answer into cur, leaving everybody else's fields as they are now.
func (c *commit) apply(cur *store.Record) (*store.Record, error) {
	st, err := decodeState(cur)
	if err != nil {
		return nil, err
	}
	if st.Owner == c.owner {
		st.Owner, st.LeaseUntil = "", time.Time{}
	}
	st.SavedFence, st.SavedOwner, st.SavedAt = c.fence, c.owner, c.at
	st.Tries, st.SentAt, st.Failed = 0, time.Time{}, ""
	st.After, st.Steps, st.Reason = time.Time{}, 0, ""
	old := cur.Token
	next := cur.Clone()
	next.Token = merge(old, c.token, c.partial)
	next.Generation = c.parent.Generation + 1
	next.Updated = c.issued
	if !c.partial {
		st.early = c.k.earlyRefresh(next, old, c.issued)
	}
	if c.then != nil {
		c.then(&st)
	}
	return st.with(next)
}

// merge lays an answer over what is known: what it does not mention about the refresh token, the ID token, scope and
// extra members is unchanged; a lifetime it does not mention is unknown.
func merge(old, answer store.Token, partial bool) store.Token {
	t := answer.Clone()
	if t.RefreshToken == "" {
		t.RefreshToken = old.RefreshToken
		if t.RefreshExpiry.IsZero() {
			t.RefreshExpiry = old.RefreshExpiry
		}
	}
	if partial {
		t.AccessToken, t.Expiry = old.AccessToken, old.Expiry
	}
	if t.TokenType == "" {
		t.TokenType = old.TokenType
	}
	if t.IDToken == "" {
		t.IDToken = old.IDToken
	}
	if t.Scopes == nil {
		t.Scopes = old.Scopes
	}
	t.Extra = mergeExtra(old.Extra, t.Extra)
	return t.Clone()
}

func mergeExtra(old, answer json.RawMessage) json.RawMessage {
	if len(old) == 0 || len(answer) == 0 {
		return append(append(json.RawMessage(nil), old...), answer...)
	}
	var a, b map[string]json.RawMessage
	if json.Unmarshal(old, &a) != nil || json.Unmarshal(answer, &b) != nil {
		return answer
	}
	maps.Copy(a, b)
	merged, err := json.Marshal(a)
	if err != nil {
		return answer
	}
	return merged
}

// earlyRefresh returns from when on rec's token, issued now, is refreshed in the background: a tenth of its life before
// expiry, 30 s to 5 min ± 20 %, at most half of its life, and early enough to hide a takeover. Zero: only at expiry,
// because the answer hardly moved it (some providers issue the same token again with what is left of it).
func (k *Keeper) earlyRefresh(rec *store.Record, old store.Token, issued time.Time) time.Time {
	expiry := rec.Token.Expiry
	life := expiry.Sub(issued)
	if expiry.IsZero() || life <= 0 {
		return time.Time{}
	}
	e := min(max(life/10, 30*time.Second), 5*time.Minute)
	e = time.Duration((0.8 + 0.4*k.o.Jitter()) * float64(e))
	if hidden := k.o.Lease + k.o.SendBudget; life >= 2*hidden {
		e = max(e, hidden)
	}
	e = min(e, life/2)
	if !old.Expiry.IsZero() && expiry.Sub(old.Expiry) <= e {
		return time.Time{}
	}
	return expiry.Add(-e)
}
