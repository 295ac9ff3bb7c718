package keeper

import (
	"context"
	"errors"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// refresh asks the provider under the lease just taken, and brings the answer home.
func (a *attempt) refresh(ctx context.Context, leased *store.Record, st state, v *verdict) (*store.Record, error) {
	tok, err := a.send(ctx, leased, st)
	if errors.Is(err, errAgain) {
		a.unsent = st.Owner
		return nil, errAgain
	}
	k := a.k
	*v = answered
	if err == nil {
		return a.commit(ctx, leased, st, tok)
	}
	outcome := outcomeOf(err)
	e := event(Failed, leased)
	e.Outcome, e.Err = outcome, err
	k.observeEvent(e)
	if tok.RefreshToken != "" && tok.RefreshToken != leased.Token.RefreshToken {
		return a.keepRefreshToken(ctx, leased, st, tok, err)
	}
	if outcome != Unknown && !a.resent {
		st.Tries-- // the refresh token was not spent
	}
	switch outcome {
	case Dead:
		return a.refused(ctx, leased, st, err)
	case Unknown:
		*v = failing
		k.observe(Uncertain, leased)
	case ConfigError:
		k.warn("the provider refuses this client; the grant is kept", leased, err)
	default:
		*v = failing
	}
	cur := a.release(ctx, leased, st, outcome.String(), retryAfterOf(err))
	if cur != nil { // somebody took over, and has won or may win yet
		return a.overtaken(cur)
	}
	return nil, unavailable("refreshing", err)
}

// overtaken returns what stands in the place of the record that was sent for, or errAgain while that is under way.
func (a *attempt) overtaken(cur *store.Record) (*store.Record, error) {
	if cur.ID == a.seen.ID && cur.Generation <= a.seen.Generation {
		return nil, errAgain
	}
	a.k.observe(Adopted, cur)
	return cur, nil
}

// resendAfter is how long after a send of unknown outcome the same refresh token is sent again: soon enough for the
// grace that providers give to a lost answer.
var resendAfter = [...]time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second}

// send asks the provider, again while the outcome is unknown and the budget lasts. errAgain: the lease is not
// certainly ours any more, and nothing was sent since.
func (a *attempt) send(ctx context.Context, rec *store.Record, st state) (store.Token, error) {
	k := a.k
	if a.held() < k.o.SendBudget {
		return store.Token{}, errAgain
	}
	// The lease outlasts the budget: neither this nor any resend can reach the provider after a takeover.
	end := time.Now().Add(k.o.SendBudget)
	a.resent = false
	var tok store.Token
	var err error
	for try := 0; ; try++ {
		if try > 0 {
			if !a.mayResend(ctx, rec, st, try, end) {
				return tok, err
			}
			a.resent = true
		}
		again, failed := tok, err
		tok, err = a.sendOnce(ctx, rec, end)
		if errors.Is(err, errAgain) && try > 0 {
			return again, failed
		}
		if err == nil || errors.Is(err, errAgain) || outcomeOf(err) != Unknown || tok.RefreshToken != "" {
			return tok, err
		}
		if k.o.NeverResend && !expired(rec, k.o.Now()) {
			return tok, err
		}
	}
}

func (a *attempt) sendOnce(ctx context.Context, rec *store.Record, end time.Time) (tok store.Token, err error) {
	k := a.k
	at := time.Now().Add(k.o.SendBudget / 2)
	if at.After(end) {
		at = end
	}
	ctx, cancel := context.WithDeadline(ctx, at)
	defer cancel()
	k.o.at(ctx, "before-send", rec.ID)
	if ctx.Err() != nil { // stopped since the check, for so long that the lease may be somebody else's
		return tok, errAgain
	}
	err = guarded(func() error {
		tok, err = k.refresher.Refresh(ctx, rec.Clone())
		if err != nil { // a nil pointer in err panics here, where that ends nothing
			_, _, _ = err.Error(), outcomeOf(err), retryAfterOf(err)
		}
		return err
	})
	k.o.at(ctx, "after-response", rec.ID)
	if err == nil && tok.AccessToken == "" {
		err = errors.New("keeper: the refresher returned no access token")
	}
	return tok, err
}

// mayResend waits for the next resend and reads again: still our lease, still the token that was sent.
func (a *attempt) mayResend(ctx context.Context, rec *store.Record, st state, try int, end time.Time) bool {
	k := a.k
	if try > len(resendAfter) {
		return false
	}
	// The waits are made for the default budget, and shrink with it.
	scale := min(1, k.o.SendBudget.Seconds()/8)
	d := time.Duration((0.8 + 0.4*k.o.Jitter()) * scale * float64(resendAfter[try-1]))
	if time.Until(end) <= d || !sleep(ctx, d) {
		return false
	}
	cur, err := a.reread(ctx)
	if err != nil || cur.ID != rec.ID || cur.Generation != rec.Generation {
		return false
	}
	cst, err := decodeState(cur)
	return err == nil && cst.Owner == st.Owner && cst.SavedOwner == st.SavedOwner && time.Now().Before(end) && a.held() > 0
}

// refused handles a verdict on the grant itself. It holds only if nothing changed since the lease: otherwise another
// holder has won, and what it stored counts. Dead means that the Put that says so succeeded.
func (a *attempt) refused(ctx context.Context, leased *store.Record, st state, cause error) (*store.Record, error) {
	k := a.k
	ctx, cancel := context.WithTimeout(ctx, k.o.CommitBudget)
	defer cancel()
	for pause := k.retryPause(); ; {
		cur, err := a.tokens.Get(ctx, a.h)
		if errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			cst, derr := decodeState(cur)
			switch {
			case cur.ID != leased.ID || cur.Generation > leased.Generation:
				k.observe(Adopted, cur)
				return cur, nil
			case derr != nil:
				return nil, unavailable("reading the record", derr)
			case cst.Fence != st.Fence, cst.Owner != "" && cst.Owner != st.Owner, cst.SavedOwner != st.SavedOwner:
				// A store that failed over may give a fence twice; and another token of the generation that was
				// refused may have come in.
				return nil, errAgain
			case cst.Failed != "":
				return nil, loginRequired(cst.Failed, cause)
			}
			if err = a.putFailed(ctx, cur, cst); err == nil {
				return nil, loginRequired(a.failReason(cst), cause)
			}
		}
		if !pause.wait(ctx) {
			return nil, unavailable("recording the refusal", err)
		}
	}
}

func (a *attempt) putFailed(ctx context.Context, cur *store.Record, st state) error {
	st.Failed = a.failReason(st)
	st.Owner, st.LeaseUntil = "", time.Time{}
	st.early = time.UnixMilli(1) // every Get looks at the state from now on
	next, err := st.with(cur)
	if err != nil {
		return err
	}
	next.Updated = a.k.o.Now()
	_, err = a.tokens.Put(ctx, a.h, next)
	return err
}

// failReason tells a grant that somebody revoked from one whose rotation we may have lost.
func (a *attempt) failReason(st state) string {
	if st.Tries > 1 || a.resent {
		return "lost_rotation"
	}
	return "revoked"
}

// release gives the lease back with a memo that keeps everybody from asking again too soon. If it does not succeed,
// the lease runs out. If the lease was not ours any more, or an earlier holder's answer has come in after all, it
// returns the record as others left it.
func (a *attempt) release(ctx context.Context, leased *store.Record, st state, reason string, retryAfter time.Duration) *store.Record {
	ctx, cancel := context.WithTimeout(ctx, a.k.o.CommitBudget)
	defer cancel()
	now := a.clock(leased)
	cur, cst := leased, st
	for pause := a.k.retryPause(); ; {
		cst.Owner, cst.LeaseUntil = "", time.Time{}
		overtaken := cur.ID != leased.ID || cur.Generation != leased.Generation
		if !overtaken {
			cst.Tries = st.Tries
			a.k.backOff(&cst, now, reason, retryAfter)
		}
		next, err := cst.with(cur)
		if err != nil {
			return nil
		}
		next, err = a.tokens.Put(ctx, a.h, next)
		switch {
		case err == nil && overtaken:
			return next
		case err == nil, errors.Is(err, store.ErrNotFound):
			return nil
		case !errors.Is(err, store.ErrConflict):
			if !pause.wait(ctx) {
				return nil
			}
		}
		if cur, err = a.reread(ctx); err != nil {
			return nil
		}
		if cst, err = decodeState(cur); err != nil {
			return nil
		}
		switch {
		case cst.Owner == st.Owner: // still ours
		case cst.Owner == "" && cst.Fence == st.Fence && cur.ID == leased.ID && cur.Generation == leased.Generation:
			return nil // this is our release, though the store said otherwise
		default:
			return cur
		}
	}
}

// clock is the time by which back-offs are measured: the store's, or this process's where the store has none.
func (a *attempt) clock(leased *store.Record) time.Time {
	if leased.ReadAt.IsZero() {
		return a.k.o.Now()
	}
	return leased.ReadAt.Add(time.Since(a.began))
}

// backingOff reports whether rec's provider is not to be asked yet. Without a store clock an end beyond the longest step
// is another process's wrong clock, and counts for nothing.
func (k *Keeper) backingOff(rec *store.Record, st *state) bool {
	if rec.ReadAt.IsZero() {
		left := st.After.Sub(k.o.Now())
		return left > 0 && left <= 360*k.o.SendBudget/8
	}
	return rec.ReadAt.Before(st.After)
}

// backOff notes when the next attempt may be made: after 1 s, doubling to 5 min, or when the provider said.
// Like the resends, the steps are made for the default budget, and scale with it.
func (k *Keeper) backOff(st *state, now time.Time, reason string, retryAfter time.Duration) {
	unit := k.o.SendBudget / 8
	d := min(unit<<min(st.Steps, 10), 300*unit)
	d = time.Duration((0.8 + 0.4*k.o.Jitter()) * float64(d))
	st.After = now.Add(max(d, min(retryAfter, time.Hour)))
	st.Steps++
	st.Reason = reason
}
